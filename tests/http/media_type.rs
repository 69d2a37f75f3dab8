//! Media types: RFC 9110 §8.3.

use millpond::http::media_type;
use proptest::prelude::*;

const UNKNOWN: &str = "application/octet-stream";

#[test]
fn the_types_of_the_web_come_out_right() {
    let table = [
        ("index.html", "text/html; charset=utf-8"),
        ("index.htm", "text/html; charset=utf-8"),
        ("page.xhtml", "application/xhtml+xml"),
        ("style.css", "text/css; charset=utf-8"),
        ("app.js", "text/javascript; charset=utf-8"),
        ("app.mjs", "text/javascript; charset=utf-8"),
        ("app.cjs", "text/javascript; charset=utf-8"),
        ("app.js.map", "application/json"),
        ("module.wasm", "application/wasm"),
        ("data.json", "application/json"),
        ("data.jsonld", "application/ld+json"),
        ("place.geojson", "application/geo+json"),
        ("site.webmanifest", "application/manifest+json"),
        ("feed.xml", "text/xml"),
        ("feed.atom", "application/atom+xml"),
        ("feed.rss", "application/rss+xml"),
        ("sheet.xsl", "text/xml"),
        ("formula.mml", "text/mathml"),
        ("logo.svg", "image/svg+xml"),
        ("favicon.ico", "image/x-icon"),
        ("photo.png", "image/png"),
        ("photo.jpg", "image/jpeg"),
        ("photo.jpeg", "image/jpeg"),
        ("photo.gif", "image/gif"),
        ("photo.avif", "image/avif"),
        ("photo.webp", "image/webp"),
        ("photo.jxl", "image/jxl"),
        ("photo.apng", "image/apng"),
        ("font.woff", "font/woff"),
        ("font.woff2", "font/woff2"),
        ("font.ttf", "font/ttf"),
        ("font.otf", "font/otf"),
        ("film.mp4", "video/mp4"),
        ("film.webm", "video/webm"),
        ("film.ogv", "video/ogg"),
        ("film.m3u8", "application/vnd.apple.mpegurl"),
        ("film.mpd", "application/dash+xml"),
        ("film0.ts", "video/mp2t"),
        ("film.m2ts", "video/mp2t"),
        ("film.vtt", "text/vtt; charset=utf-8"),
        ("song.mp3", "audio/mpeg"),
        ("song.m4a", "audio/mp4"),
        ("song.ogg", "audio/ogg"),
        ("song.opus", "audio/ogg"),
        ("song.flac", "audio/flac"),
        ("song.wav", "audio/wav"),
        ("model.glb", "model/gltf-binary"),
        ("model.stl", "model/stl"),
        ("model.obj", "model/obj"),
        ("model.mtl", "model/mtl"),
        ("notes.txt", "text/plain; charset=utf-8"),
        ("server.log", "text/plain; charset=utf-8"),
        ("README.md", "text/markdown; charset=utf-8"),
        ("table.csv", "text/csv; charset=utf-8"),
        ("main.rs", "text/x-rust; charset=utf-8"),
        ("config.yaml", "text/x-yaml; charset=utf-8"),
        ("Cargo.toml", "text/x-toml; charset=utf-8"),
        ("dates.ics", "text/calendar; charset=utf-8"),
        ("card.vcf", "text/vcard; charset=utf-8"),
        ("paper.pdf", "application/pdf"),
        ("book.epub", "application/epub+zip"),
        ("archive.zip", "application/zip"),
        ("archive.gz", "application/gzip"),
        ("archive.tar", "application/x-tar"),
        ("archive.tar.gz", "application/gzip"),
        ("archive.tgz", "application/gzip"),
        ("archive.tar.zst", "application/zstd"),
        ("archive.xz", "application/x-xz"),
        ("archive.br", UNKNOWN),
        ("package.rpm", "application/x-rpm"),
    ];
    for (name, media_type) in table {
        assert_eq!(media_type::from_file_name(name.as_bytes()), media_type, "{name}");
        assert_eq!(media_type::from_file_name(name.to_ascii_uppercase().as_bytes()), media_type, "{name} in capitals");
    }
}

#[test]
fn a_name_of_any_bytes_has_a_type() {
    let table: [(&str, &[u8], &str); 16] = [
        ("no name", b"", UNKNOWN),
        ("no extension", b"Makefile", UNKNOWN),
        ("an extension nobody knows", b"file.millpond", UNKNOWN),
        ("a dotfile has no extension", b".gitignore", UNKNOWN),
        ("not even if it looks like one", b".html", UNKNOWN),
        ("a dotfile may have one behind", b".config.json", "application/json"),
        ("two dots before it", b"..json", "application/json"),
        ("a dot alone", b".", UNKNOWN),
        ("a dot at the end", b"file.", UNKNOWN),
        ("only the last extension counts", b"page.html.bin", UNKNOWN),
        ("an extension with a space behind", b"page.html ", UNKNOWN),
        ("a name that isn't UTF-8", b"caf\xE9.txt", "text/plain; charset=utf-8"),
        ("an extension that isn't UTF-8", b"file.\xE9", UNKNOWN),
        ("a name with control bytes", b"a\r\nb\0.txt", "text/plain; charset=utf-8"),
        ("an extension with control bytes", b"a.txt\r\nSet-Cookie: a", UNKNOWN),
        ("an extension as long as a name can be", &[b'.'; 255], UNKNOWN),
    ];
    for (rule, name, media_type) in table {
        assert_eq!(media_type::from_file_name(name), media_type, "{rule}");
    }
}

proptest! {
    #[test]
    fn the_type_is_always_a_valid_field_value(stem: Vec<u8>, extension in "[a-zA-Z0-9.]{0,5}") {
        let name = [stem.as_slice(), b".", extension.as_bytes()].concat();
        let media_type = media_type::from_file_name(&name);
        prop_assert!(media_type.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{}", media_type);
        prop_assert_eq!(media_type.split('/').count(), 2);
    }
}
