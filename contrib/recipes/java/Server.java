// Server.java: a small HTTP server on plain threads.
//
//	/         who answers
//	/io?ms=N  waits as one waits for a database
//
// Whoever starts it may hand it the listening socket as descriptor 0, as inetd does; by hand it
// binds 127.0.0.1 and $PORT. TERM lets it finish what is under way.

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public final class Server {
	private static final int HEAD_MAX = 8192;
	private static final int IDLE_MS = 30_000;
	// Of idle connections when leaving: a request may be on its way. More than a client's round trip.
	private static final int GRACE_MS = 500;
	private static final Pattern IO = Pattern.compile("\\S+ /io\\?ms=(\\d{1,5}) ");

	private static volatile boolean leaving;

	private static ServerSocketChannel listener() throws IOException {
		if (System.inheritedChannel() instanceof ServerSocketChannel inherited)
			return inherited;
		int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "8080"));
		return ServerSocketChannel.open().bind(new InetSocketAddress("127.0.0.1", port));
	}

	public static void main(String[] args) throws Exception {
		ServerSocketChannel listener = listener();
		ExecutorService pool = Executors.newCachedThreadPool();
		Thread acceptor = Thread.currentThread();

		Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(listener, acceptor, pool)));
		try {
			while (true) {
				Socket client = listener.accept().socket();
				pool.execute(() -> serve(client));
			}
		} catch (ClosedChannelException e) {
			// told to leave: the hook waits for the others
		}
	}

	private static void stop(ServerSocketChannel listener, Thread acceptor, ExecutorService pool) {
		try {
			leaving = true;
			listener.close();
			acceptor.join(); // all that was accepted is with a thread
			pool.shutdown();
			pool.awaitTermination(1, TimeUnit.MINUTES);
		} catch (IOException | InterruptedException e) {
			e.printStackTrace();
		}
	}

	private static void serve(Socket client) {
		try (client) {
			InputStream in = new BufferedInputStream(client.getInputStream());
			boolean keep = true;

			client.setTcpNoDelay(true);
			while (keep && awaitRequest(client, in)) {
				String head = readHead(in);
				if (head == null)
					return;
				keep = answer(client, head);
			}
		} catch (IOException | InterruptedException e) {
			// the client has gone
		}
	}

	// Looks up twice a second whether it is to leave.
	private static boolean awaitRequest(Socket client, InputStream in) throws IOException {
		client.setSoTimeout(GRACE_MS);
		for (int waited = 0; waited < IDLE_MS; waited += GRACE_MS) {
			boolean last = leaving;
			try {
				in.mark(1);
				if (in.read() < 0)
					return false;
				in.reset();
				client.setSoTimeout(IDLE_MS);
				return true;
			} catch (SocketTimeoutException e) {
				if (last)
					return false;
			}
		}
		return false;
	}

	private static String readHead(InputStream in) throws IOException {
		StringBuilder head = new StringBuilder();

		while (head.length() < HEAD_MAX) {
			int c = in.read();
			if (c < 0)
				return null;
			head.append((char) c);
			if (c == '\n' && head.indexOf("\r\n\r\n", head.length() - 4) >= 0)
				return head.toString();
		}
		return null;
	}

	private static boolean answer(Socket client, String head)
			throws IOException, InterruptedException {
		Matcher io = IO.matcher(head);
		long pid = ProcessHandle.current().pid();
		String body = "pid " + pid + "\n";

		if (io.lookingAt())
			Thread.sleep(Integer.parseInt(io.group(1)));
		boolean keep = !leaving && head.contains(" HTTP/1.1\r\n")
			&& !head.toLowerCase().contains("\r\nconnection: close\r\n");
		client.getOutputStream().write(("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
			+ "Content-Length: " + body.length() + "\r\nX-Worker: " + pid
			+ "\r\nConnection: " + (keep ? "keep-alive" : "close") + "\r\n\r\n" + body)
				.getBytes(StandardCharsets.ISO_8859_1));
		return keep;
	}
}
