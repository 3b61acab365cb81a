use super::*;

fn sources(file: &str, env: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Sources {
    Sources {
        file: Some((PathBuf::from("logstrata.toml"), file.to_owned())),
        env: env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        flags: flags.iter().map(|(name, value)| (*name, "--flag", (*value).into())).collect(),
        memory: None,
    }
}

fn error_of(sources: &Sources) -> String {
    Config::resolve(sources).expect_err("must be refused").0
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let file = "[server]\nlisten = '127.0.0.1:1'\n[storage]\ndata = 'file'\n\
                [limits]\nbody_bytes = '32MiB'\ncache_bytes = 2097152\n";
    let env = [("LOGSTRATA_LISTEN", "127.0.0.1:2"), ("LOGSTRATA_DATA", "env")];
    let config = Config::resolve(&sources(file, &env, &[("server.listen", "127.0.0.1:3")]));
    let config = config.expect("valid");
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.data, PathBuf::from("env"));
    assert_eq!(config.limits.body_bytes_max, 32 << 20);
    assert_eq!(config.limits.cache_bytes_max, 2 << 20);
    assert_eq!(config.limits.event_bytes_max, Limits::default().event_bytes_max);
    let origin = |name| config.origins.get(name).cloned();
    assert_eq!(origin("server.listen"), Some(Origin::Flag("--flag")));
    assert_eq!(origin("storage.data"), Some(Origin::Env("LOGSTRATA_DATA")));
    assert_eq!(origin("limits.body_bytes"), Some(Origin::File("logstrata.toml".into())));
    assert_eq!(origin("limits.event_bytes"), None);
}

#[test]
fn the_printed_configuration_is_the_same_configuration() {
    let file = "[storage]\ndata = 'a \"quoted\" dir'\n[limits]\ngeneration_age = '90s'\n\
                memtable_bytes = 10000000\n";
    let config = Config::resolve(&sources(file, &[("LOGSTRATA_LOG", "debug")], &[]));
    let printed = config.expect("valid").to_toml();
    assert!(printed.contains("log = \"debug\" # LOGSTRATA_LOG"), "{printed}");
    assert!(printed.contains("body_bytes = \"64MiB\" # default"), "{printed}");
    assert!(printed.contains("generation_age = \"90s\" # logstrata.toml"), "{printed}");
    let again = Config::resolve(&sources(&printed, &[], &[])).expect("own output is valid");
    let values = |toml: &str| -> Vec<String> {
        let is_value = |line: &&str| !line.starts_with('#') && line.contains(" # ");
        toml.lines().filter(is_value).map(|l| l.split(" # ").next().unwrap().into()).collect()
    };
    assert_eq!(values(&again.to_toml()), values(&printed));
    assert_eq!(values(&printed).len(), KEYS.len());
}

#[test]
fn bounds_follow_from_the_memory_unless_they_are_set() {
    let file = "[limits]\nqueue_bytes = '5MiB'\nmemory = '256MiB'\ndisk_reserve = '3GiB'\n";
    let config = Config::resolve(&sources(file, &[], &[])).expect("valid");
    let small = Limits::for_memory(256 << 20);
    assert_eq!(config.limits.memtable_bytes_max, small.memtable_bytes_max);
    assert!(small.memtable_bytes_max < Limits::default().memtable_bytes_max);
    assert_eq!(config.limits.queue_bytes_max, 5 << 20, "set is set, whatever stands first");
    assert_eq!(config.limits.disk_reserve_bytes, Some(3 << 30));
    let machine = Sources { memory: Some(512 << 20), ..Sources::default() };
    assert_eq!(Config::resolve(&machine).expect("valid").limits.memory_bytes_max, 512 << 20);
    let error = error_of(&sources("[limits]\nmemory = '1MiB'\n", &[], &[]));
    assert!(error.contains("limits.memory"), "{error}");
    let config = Config::resolve(&sources("[query]\ndeadline = '30s'\n", &[], &[]));
    assert_eq!(config.expect("valid").query_deadline, Duration::from_secs(30));
}

#[test]
fn unknown_keys_are_named() {
    let error = error_of(&sources("[server]\nlissten = 'x'\n", &[], &[]));
    assert!(error.contains("\"server.lissten\"") && error.contains("listen, log"), "{error}");
    let error = error_of(&sources("[sever]\nlisten = 'x'\n", &[], &[]));
    assert!(error.contains("\"sever\""), "{error}");
    let error = error_of(&sources("listen = 'x'\n", &[], &[]));
    assert!(error.contains("\"listen\""), "{error}");
    assert!(error_of(&sources("server = 1\n", &[], &[])).contains("[server]"));
    assert!(error_of(&sources("[server]\nlog = true\n", &[], &[])).contains("server.log"));
    assert!(error_of(&sources("[server\n", &[], &[])).starts_with("logstrata.toml: "));
}

#[test]
fn a_wrong_value_is_named_with_its_origin() {
    let error = error_of(&sources("", &[("LOGSTRATA_BODY_BYTES", "much")], &[]));
    assert!(
        error.starts_with("limits.body_bytes (from LOGSTRATA_BODY_BYTES): \"much\""),
        "{error}"
    );
    for (key, value) in [
        ("body_bytes", "1GiB"),
        ("body_bytes", "2MiB"),
        ("event_bytes", "10B"),
        ("generation_bytes", "1GiB"),
        ("generation_bytes", "1MiB"),
        ("generation_age", "1ms"),
        ("wal_bytes", "100MiB"),
        ("queue_bytes", "0"),
        ("cache_bytes", "0"),
        ("memory", "1KiB"),
        ("disk_reserve", "some"),
        ("memtable_bytes", "0"),
    ] {
        let error = error_of(&sources(&format!("[limits]\n{key} = '{value}'\n"), &[], &[]));
        assert!(error.contains("limits."), "{key} = {value}: {error}");
    }
}

#[test]
fn mapping_is_on_unless_it_is_switched_off() {
    let mmap = |file, env: &[_], flags: &[_]| Config::resolve(&sources(file, env, flags));
    assert!(mmap("", &[], &[]).expect("valid").mmap);
    let off = mmap("[storage]\nmmap = false\n", &[], &[]).expect("valid");
    assert!(!off.mmap);
    assert!(off.to_toml().contains("mmap = false # logstrata.toml"), "{}", off.to_toml());
    assert!(!mmap("", &[("LOGSTRATA_MMAP", "false")], &[]).expect("valid").mmap);
    assert!(!mmap("", &[], &[("storage.mmap", "false")]).expect("valid").mmap);
    for bad in ["mmap = 1", "mmap = [1]", "mmap = 'no'"] {
        let error = error_of(&sources(&format!("[storage]\n{bad}\n"), &[], &[]));
        assert!(error.contains("storage.mmap") && error.contains("true or false"), "{error}");
    }
}

/// Whatever else sets the limits.
#[test]
fn compaction_runs_by_itself_unless_it_is_switched_off() {
    let config = |file, env: &[_]| Config::resolve(&sources(file, env, &[]));
    let is_automatic = |config: &Config| config.limits.compaction.is_automatic;
    assert!(is_automatic(&config("[limits]\nmemory = '256MiB'\n", &[]).expect("valid")));
    let file = "[storage]\ncompaction = false\n[limits]\nmemory = '256MiB'\n";
    let off = config(file, &[]).expect("valid");
    assert!(!is_automatic(&off));
    assert!(off.to_toml().contains("compaction = false # logstrata.toml"), "{}", off.to_toml());
    assert!(!is_automatic(&config("", &[("LOGSTRATA_COMPACTION", "false")]).expect("valid")));
    let error = error_of(&sources("[storage]\ncompaction = 'no'\n", &[], &[]));
    assert!(error.contains("storage.compaction") && error.contains("true or false"), "{error}");
}

#[test]
fn only_loopback_is_listened_on() {
    for good in ["127.0.0.1:0", "[::1]:7600", "localhost:80", "127.8.9.10:1"] {
        assert!(parse_listen(good).is_ok(), "{good}");
    }
    for bad in ["0.0.0.0:7600", "[::]:7600", "192.168.1.5:7600", "[::ffff:10.0.0.1]:1"] {
        let error = parse_listen(bad).expect_err(bad);
        assert!(error.contains("no authentication"), "{error}");
    }
    for bad in ["", "7600", "localhost", "127.0.0.1", "logs.example.com:7600", "localhost:x"] {
        let error = parse_listen(bad).expect_err(bad);
        assert!(error.contains("is no address"), "{error}");
    }
}

#[test]
fn rules_of_redaction_are_switched_off_by_name() {
    let redaction = |file: &str, env: &[(&str, &str)]| {
        Config::resolve(&sources(file, env, &[])).expect("valid").redaction()
    };
    assert_eq!(redaction("", &[]), Rules::default());
    assert_eq!(redaction("[redaction]\nenabled = false\n", &[]), Rules::none());
    let expected = Rules::default().without(Rule::Card).without(Rule::Jwt);
    assert_eq!(redaction("[redaction]\ndisable = ['card', 'jwt']\n", &[]), expected);
    assert_eq!(redaction("", &[("LOGSTRATA_REDACTION_DISABLE", "jwt, card")]), expected);
    let error = error_of(&sources("[redaction]\ndisable = ['cards']\n", &[], &[]));
    assert!(error.contains("\"cards\"") && error.contains("stripe_key, card"), "{error}");
    assert!(error_of(&sources("[redaction]\nenabled = 'x'\n", &[], &[])).contains("true or false"));
}

/// A memtable that the memory could never hold was cut by its age alone; until then every batch was
/// answered with 429.
#[test]
fn bounds_that_the_memory_can_never_hold_are_refused() {
    for (file, part) in [
        ("memory = '64MiB'\nmemtable_bytes = '20MiB'", "limits.memtable_bytes"),
        ("memory = '64MiB'\nqueue_bytes = '20MiB'", "limits.queue_bytes"),
        ("memory = '64MiB'\nbody_bytes = '32MiB'", "limits.body_bytes"),
        ("memory = '64MiB'\ncache_bytes = '33MiB'", "limits.cache_bytes"),
        ("memtable_bytes = '1TiB'", "limits.memtable_bytes"),
    ] {
        let error = error_of(&sources(&format!("[limits]\n{file}\n"), &[], &[]));
        assert!(error.contains(part), "{file}: {error}");
    }
    for memory in ["64MiB", "100MiB", "256MiB", "1GiB", "64GiB"] {
        let file = format!("[limits]\nmemory = '{memory}'\n");
        Config::resolve(&sources(&file, &[], &[])).expect("the defaults fit");
    }
    Config::resolve(&sources("[limits]\nbody_bytes = '80MiB'\n", &[], &[])).expect("fits");
}
