<?php
// index.php: a page, as for any server of that kind.
//
//	/         who answers
//	/io?ms=N  waits as one waits for a database

if ($_SERVER['DOCUMENT_URI'] === '/io') {
	usleep(1000 * (int) ($_GET['ms'] ?? 0));
}
$body = 'pid ' . getmypid() . "\n";
header('Content-Type: text/plain');
header('Content-Length: ' . strlen($body));
header('X-Worker: ' . getmypid());
echo $body;
