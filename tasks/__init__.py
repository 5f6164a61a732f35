from tasks.process import fail_in_one_line, send_no_telemetry

send_no_telemetry()
fail_in_one_line()
