//! House checks: what the pages name exists, files stay short, nothing is left half done.
#![expect(clippy::disallowed_methods, reason = "reads the repository")]

use logstrata_tests::server::root;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 500;
/// What is no part of the repository, wherever it lies.
const SKIPPED: [&str; 5] = ["target", ".git", "corpus", "artifacts", "node_modules"];

/// Every file of the repository, by its path from the root.
fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![root()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_symlink() || SKIPPED.contains(&&*name) {
                continue;
            }
            match path.is_dir() {
                true => dirs.push(path),
                false => found.push(path.strip_prefix(root()).expect("inside").to_owned()),
            }
        }
    }
    found.sort();
    found
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|e| extensions.iter().any(|wanted| e == *wanted))
}

fn read(path: &Path) -> String {
    let bytes = std::fs::read(root().join(path)).expect("readable");
    String::from_utf8(bytes).unwrap_or_else(|_| panic!("{} is not UTF-8", path.display()))
}

fn sources() -> Vec<(PathBuf, String)> {
    let rust = files().into_iter().filter(|path| has_extension(path, &["rs"]));
    rust.map(|path| (path.clone(), read(&path))).collect()
}

/// Fails with the list, if there is anything on it.
#[track_caller]
fn assert_none(what: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn paths_that_pages_name_exist() {
    let pages: Vec<_> = files().into_iter().filter(|path| has_extension(path, &["md"])).collect();
    for required in ["ARCHITECTURE.md", "README.md"] {
        assert!(pages.contains(&required.into()), "{required} is missing");
    }
    let mut stale = Vec::new();
    for page in &pages {
        let text = read(page);
        let in_backticks = text.split('`').skip(1).step_by(2).filter(|word| is_path(word));
        let missing = |path: &String| !root().join(path).exists();
        let named: Vec<_> = in_backticks.flat_map(expand).filter(missing).collect();
        let dir = page.parent().expect("a folder");
        let linked = links(&text).filter(|link| !root().join(dir).join(link).exists());
        let all = named.into_iter().chain(linked.map(str::to_owned));
        stale.extend(all.map(|path| format!("{}: {path}", page.display())));
    }
    assert_none("pages name what is not there", stale);
}

/// Whether a word in backticks is a path from the root: its first part is a folder there, or it is
/// a page or a manifest.
fn is_path(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "./_-{},".contains(c);
    if word.is_empty() || !word.chars().all(plain) {
        return false;
    }
    match word.split_once('/') {
        Some((first, _)) => !first.is_empty() && first != "target" && root().join(first).is_dir(),
        None => word.ends_with(".md") || matches!(word, "Cargo.toml" | "clippy.toml" | "deny.toml"),
    }
}

/// `a/{b,c}.rs` as `a/b.rs` and `a/c.rs`.
fn expand(word: &str) -> Vec<String> {
    let parts = word.split_once('{').and_then(|(head, rest)| Some((head, rest.split_once('}')?)));
    match parts {
        None => vec![word.to_owned()],
        Some((head, (choices, tail))) => {
            let each = |choice: &str| expand(&format!("{head}{choice}{tail}"));
            choices.split(',').flat_map(each).collect()
        }
    }
}

/// The targets of links to files beside the page.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    targets.filter(|target| !target.is_empty() && !target.contains(':'))
}

#[test]
fn no_source_file_is_long() {
    let long = sources().into_iter().filter_map(|(path, text)| {
        let lines = text.lines().count();
        (lines > LINES_MAX).then(|| format!("{}: {lines} lines", path.display()))
    });
    assert_none("files with more than 500 lines hide a missing type", long.collect());
}

#[test]
fn nothing_is_half_done() {
    let words = [
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("#[ig", "nore"),
        concat!("dbg", "!("),
        concat!("//! place", "holder"),
        concat!("FIX", "ME"),
    ];
    let mut found = Vec::new();
    for (path, text) in sources() {
        let words = words.iter().filter(|word| text.contains(**word));
        found.extend(words.map(|word| format!("{}: {word}", path.display())));
    }
    assert_none("half done", found);
}

#[test]
fn every_source_file_introduces_itself() {
    // `tests.rs` and `x_tests.rs` are of the module beside which they lie.
    let is_tests = |path: &Path| {
        path.file_stem().is_some_and(|name| name.to_string_lossy().ends_with("tests"))
    };
    let mute =
        sources().into_iter().filter(|(path, text)| !is_tests(path) && !text.starts_with("//!"));
    assert_none(
        "files without a header",
        mute.map(|(path, _)| path.display().to_string()).collect(),
    );
}

#[test]
fn every_magic_has_a_page() {
    let pages: String = files()
        .iter()
        .filter(|path| path.starts_with("docs/format") && has_extension(path, &["md"]))
        .map(|path| read(path))
        .collect();
    let mut magics = 0;
    let mut missing = Vec::new();
    for (path, text) in sources() {
        let constants = text.lines().filter(|line| line.contains("MAGIC") && line.contains("b\""));
        for line in constants.filter(|line| line.contains("const ")) {
            let bytes = line.split("b\"").nth(1).expect("a byte string");
            let end = bytes.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(bytes.len());
            magics += 1;
            if !pages.contains(&bytes[..end]) {
                missing.push(format!("{}: {}", path.display(), &bytes[..end]));
            }
        }
    }
    assert!(magics >= 4, "the log, the manifest, segments and blocks have magics; found {magics}");
    assert_none("magics without a page in docs/format", missing);
}

#[test]
fn no_paths_of_some_machine() {
    let here = root().to_string_lossy().into_owned();
    let homes = [concat!("/ho", "me/"), concat!("/Use", "rs/"), concat!("/ro", "ot/"), &here];
    let mut found = Vec::new();
    for path in files() {
        if !has_extension(&path, &["rs", "toml", "md", "sh", "yml", "yaml", "lock"]) {
            continue;
        }
        let text = read(&path);
        let homes = homes.iter().filter(|home| text.contains(**home));
        found.extend(homes.map(|home| format!("{}: {home}", path.display())));
    }
    assert_none("paths that exist on one machine only", found);
}
