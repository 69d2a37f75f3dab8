//! The engine without a directory: a closure answers, and Ctrl+C drains. Try `curl -i http://127.0.0.1:8080/you`.

use std::error::Error;
use std::io::{self, Write};

use millpond::config::Limits;
use millpond::http::method::Method;
use millpond::http::request::RequestHead;
use millpond::http::status::Status;
use millpond::server::{Context, Response, Server};
use signal_hook::consts::SIGINT;

fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::bind(&["127.0.0.1:8080".parse()?], Limits::recommended())?;
    // Whoever closed standard output doesn't want to know: `println!` would panic.
    let _ = writeln!(io::stdout(), "http://{}/", server.local_addresses()[0]);
    signal_hook::low_level::pipe::register(SIGINT, server.drain_handle().descriptor()?)?;
    let drained = server.run(|request: &RequestHead<'_>, context: &Context| {
        let what = match request.method {
            Method::Get => "a GET",
            Method::Post => "a POST",
            _ => "something else",
        };
        Response::text(Status::OK, format!("hello, {}: you sent {what}", context.peer))
    })?;
    let _ = writeln!(io::stdout(), "{drained}");
    Ok(())
}
