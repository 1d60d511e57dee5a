# einhorn.rb PATH|FD YAML|JSON [GATE]: a web server written for Einhorn, as its manual has it. It serves
# on each socket that it was given, then acknowledges: by the command socket's path or by an inherited
# descriptor, in one form or the other, as soon as the file GATE is there. USR2 ends it.
#
# What it answers is "INDEX PID MASTER", then its variables of Einhorn's.
require 'socket'
require 'yaml'

def einhorn_fds
  count = ENV['EINHORN_FD_COUNT'] or raise 'no EINHORN_FD_COUNT: are we under Einhorn?'
  fds = (0...Integer(count)).map { |n| Integer(ENV.fetch("EINHORN_FD_#{n}")) }
  raise 'two lists of descriptors' unless ENV['EINHORN_FDS'].split.map(&:to_i) == fds

  fds
end

# A child of a worker is none, and does not acknowledge.
def worker?
  ENV['EINHORN_MASTER_PID'].to_i == Process.ppid
end

def acknowledge(way, form)
  raise 'not a worker of the process that started it' unless worker?

  socket = if way == 'PATH'
             UNIXSocket.open(ENV.fetch('EINHORN_SOCK_PATH'))
           else
             UNIXSocket.for_fd(Integer(ENV.fetch('EINHORN_SOCK_FD')))
           end
  message = { 'command' => 'worker:ack', 'pid' => Process.pid }
  line = if form == 'YAML'
           YAML.dump(message).gsub(/%|\n/, '%' => '%25', "\n" => '%0A')
         else
           "{\"command\":\"#{message['command']}\", \"pid\":#{message['pid']}}"
         end
  socket.write(line + "\n")
  socket.close
end

def answer(connection)
  while (line = connection.gets) && line != "\r\n"; end
  body = "#{ENV['EINHORN_CHILD_INDEX']} #{Process.pid} #{ENV['EINHORN_MASTER_PID']}\n"
  ENV.each { |name, value| body << "#{name}=#{value}\n" if name.start_with?('EINHORN_') }
  connection.write("HTTP/1.1 200 OK\r\nX-Worker: #{Process.pid}\r\nConnection: close\r\n" \
                   "Content-Length: #{body.bytesize}\r\n\r\n#{body}")
rescue Errno::EPIPE, Errno::ECONNRESET
  nil
ensure
  connection.close
end

way, form, gate = ARGV
Signal.trap('USR2') { exit!(0) }
threads = einhorn_fds.map do |fd|
  server = Socket.for_fd(fd)
  Thread.new { loop { answer(server.accept[0]) } }
end
sleep 0.02 until gate.nil? || File.exist?(gate)
acknowledge(way, form)
threads.each(&:join)
