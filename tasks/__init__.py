from tasks.process import end_retries, fail_in_one_line, send_no_telemetry

send_no_telemetry()
end_retries()
fail_in_one_line()
