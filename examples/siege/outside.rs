//! Line 7: whatever is spelt, linked or swapped, nothing that lies outside of the root comes out.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::client::{self, Client, find, get};
use crate::report::Tally;
use crate::site::SECRET;
use crate::{Siege, Stop};

/// More than any directory here is deep: above the file system's root is that root.
const UP: usize = 24;

/// One step up, as servers have been made to take it; a slash in it may be spelt otherwise, too.
const STEPS: [&str; 20] = [
    "../",
    "%2e%2e/",
    "%2E%2E/",
    ".%2e/",
    "%2e./",
    "..%2f",
    "..%2F",
    "%2e%2e%2f",
    "%252e%252e/",
    "%252e%252e%252f",
    "..%5c",
    "..\\",
    "..%c0%af",
    "%c0%ae%c0%ae/",
    "%ef%bc%8e%ef%bc%8e/",
    ".%0d./",
    "..;/",
    "..%00/",
    "./../",
    "..//",
];

/// What stands before the steps: nothing, a directory that is there, one that isn't, and a file.
const FROM: [&str; 4] = ["", "down/", "missing/", "small.txt/"];

pub fn nothing(siege: &Siege) -> Result<Tally, Stop> {
    let mut tally = Tally::default();
    let (mut bytes, mut spellings) = (0, 0);
    for target in targets(siege) {
        bytes += leaked(siege, &target)?;
        spellings += 1;
    }
    tally.check(bytes == 0, format!("{bytes} bytes over {spellings} spellings"));
    let links = lay_links(siege)?;
    let leaks = links.iter().map(|name| {
        // In the place of an index that leads out there may be a listing, which is no leak.
        let bytes = if name.ends_with('/') { leaked(siege, &siege.site.target(name))? } else { followed(siege, name) };
        Ok((*name, bytes))
    });
    let leaks = leaks.collect::<io::Result<Vec<(&str, usize)>>>()?;
    let bytes: usize = leaks.iter().map(|(_, bytes)| bytes).sum();
    let which: Vec<&str> = leaks.iter().filter(|(_, bytes)| *bytes > 0).map(|(name, _)| *name).collect();
    let which = if which.is_empty() { String::new() } else { format!(" ({})", which.join(", ")) };
    tally.check(bytes == 0, format!("{bytes} over {} kinds of link{which}", links.len()));
    swap(siege, &mut tally)?;
    Ok(tally)
}

/// Every spelling of the way to the secret.
fn targets(siege: &Siege) -> Vec<String> {
    let secret = siege.site.secret().display().to_string();
    let beneath = secret.trim_start_matches('/');
    let mut targets = Vec::new();
    for step in STEPS {
        for from in FROM {
            let climb = step.repeat(UP);
            targets.push(siege.site.target(&format!("{from}{climb}{beneath}")));
            targets.push(siege.site.target(&format!("{from}{climb}{}", beneath.replace('/', "%2f"))));
        }
        targets.push(format!("/{}{beneath}", step.repeat(UP)));
        targets.push(format!("http://siege.test/{}{beneath}", step.repeat(UP)));
    }
    targets.push(format!("/{secret}"));
    targets.push(secret.replace('/', "%2f"));
    targets.push(format!("/{}", secret.replace('/', "%2f")));
    targets.push(format!("file://{secret}"));
    targets.push(format!("{}?/../../{beneath}", siege.site.target("small.txt")));
    targets
}

/// Bytes of the secret in the answer.
fn leaked(siege: &Siege, target: &str) -> io::Result<usize> {
    let mut client = Client::connect(siege.server.address)?;
    client.send(format!("GET {target} HTTP/1.1\r\nHost: siege.test\r\nConnection: close\r\n\r\n"))?;
    // Whatever comes: some answer what they don't understand without a head.
    let came = client.read_to_end()?;
    Ok(find(&came, SECRET).map_or(0, |_| SECRET.len()))
}

/// Makes every kind of link that leads out; says what is to be asked for to follow them.
fn lay_links(siege: &Siege) -> io::Result<Vec<&'static str>> {
    let (site, secret, outside) = (&siege.site, siege.site.secret(), siege.site.outside());
    let up = "../".repeat(UP);
    let relative = |path: &Path| format!("{up}{}", path.display().to_string().trim_start_matches('/'));
    site.link("out-relative", relative(&secret))?;
    site.link("out-absolute", &secret)?;
    site.link("out-directory", relative(&outside))?;
    site.link("out-chain", "out-relative")?;
    site.link("down/out-deep", "../out-absolute")?;
    site.link("environment", "/proc/self/environ")?;
    site.link("process-root", format!("/proc/self/root{}", secret.display()))?;
    fs::create_dir(site.path("index"))?;
    site.link("index/index.html", relative(&secret))?;
    Ok(vec![
        "out-relative",
        "out-absolute",
        "out-directory/secret.txt",
        "out-chain",
        "down/out-deep",
        "environment",
        "process-root",
        "index/",
    ])
}

/// Bytes that come from behind a link.
fn followed(siege: &Siege, name: &str) -> usize {
    match client::ask(siege.server.address, get(&siege.site.target(name))) {
        Ok(answer) if answer.status == 200 => answer.content.len(),
        Ok(_) | Err(_) => 0,
    }
}

/// A directory and a link that leads out change places all the time, while a file in it is asked for.
fn swap(siege: &Siege, tally: &mut Tally) -> Result<(), Stop> {
    let (site, count) = (&siege.site, siege.size.swapped);
    site.file("swapped/secret.txt", b"what lies inside\n")?;
    site.link("swapped-link", site.outside())?;
    let (directory, link) = (site.path("swapped"), site.path("swapped-link"));
    let request = get(&site.target("swapped/secret.txt"));
    let stop = AtomicBool::new(false);
    let (leaks, inside) = thread::scope(|scope| {
        let swapping = scope.spawn(|| -> io::Result<()> {
            while !stop.load(Ordering::Relaxed) {
                renameat_with(CWD, &directory, CWD, &link, RenameFlags::EXCHANGE)?;
            }
            Ok(())
        });
        let asked = ask_again_and_again(siege, &request, count);
        stop.store(true, Ordering::Relaxed);
        swapping.join().expect("swapping does not panic").and(asked)
    })?;
    tally.check(leaks == 0, format!("{leaks} over {count} requests while swapped"));
    // Else nothing was tried.
    tally.check(inside > 0, format!("{inside} of them answered from inside"));
    Ok(())
}

/// Says how many bytes came from outside, and how many answers from inside.
fn ask_again_and_again(siege: &Siege, request: &str, count: usize) -> io::Result<(usize, usize)> {
    let mut client = Client::connect(siege.server.address)?;
    let (mut leaks, mut inside) = (0, 0);
    for _ in 0..count {
        let answer = client.ask(request)?;
        leaks += find(&answer.content, SECRET).map_or(0, |_| SECRET.len());
        inside += usize::from(answer.status == 200 && answer.content == b"what lies inside\n");
        if answer.closes() {
            client = Client::connect(siege.server.address)?;
        }
    }
    Ok((leaks, inside))
}
