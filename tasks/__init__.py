from tasks.process import bound_ray, fail_in_one_line, send_no_telemetry

send_no_telemetry()
bound_ray()
fail_in_one_line()
