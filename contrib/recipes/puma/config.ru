# config.ru: a Rack application, as for any server of that kind.
#
#	/         who answers
#	/io?ms=N  waits as one waits for a database

run lambda { |env|
  sleep env["QUERY_STRING"][/\Ams=(\d+)/, 1].to_i / 1000.0 if env["PATH_INFO"] == "/io"
  body = "pid #{Process.pid}\n"
  [200, {
    "Content-Type" => "text/plain",
    "Content-Length" => body.bytesize.to_s,
    "X-Worker" => Process.pid.to_s
  }, [body]]
}
