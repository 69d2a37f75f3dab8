//! What help says behind the list of options.

pub const AFTER_HELP: &str = "More about each option, with examples: millpond --help";

pub const AFTER_LONG_HELP: &str = "\
Examples:
  millpond                             serve ./public, or this directory
  millpond ~/site -p 3000              another directory, another port
  millpond report.pdf                  one file, and nothing beside it
  millpond dist --spa --cache-control max-age=60
  millpond -b 0.0.0.0 -b :: --qr       for the whole network, and a telephone
  millpond -b unix:/run/web/s.sock --socket-mode 0660 --trusted-proxy unix:
  millpond -p 0 --access-log off -q    for a script: prints the address, then nothing
  millpond --header 'Cache-Control: no-store' --header 'Cross-Origin-Opener-Policy: same-origin'
  millpond --tls-cert cert.pem --tls-key key.pem
  millpond --watch                     the threads at work, at /.millpond/
  millpond top localhost:8080          the same in a terminal, of one that runs
  MILLPOND_PORT=80 millpond /srv/www   in a container

Environment:
  Every option can be set there too, the command line wins: --head-timeout as MILLPOND_HEAD_TIMEOUT,
  a switch as MILLPOND_HIDDEN=true. RUST_LOG filters what is on standard error.

Signals:
  Ctrl+C, SIGTERM and SIGHUP finish the responses under way, then exit; a second one exits at once.
  SIGUSR1, where TLS is on, reads the certificate and its key again.

Exit codes:
  0  asked to stop, and did
  1  could not start: the address, the port, the directory or the file
  2  a wrong option or value
  128 + n  cut short by a second signal n";
