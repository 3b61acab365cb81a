//! `logstrata tail`: events as they are stored. It comes again by itself when the connection breaks,
//! and goes on where it was.

use super::asked::query_text;
use super::output::{Style, complain, print};
use super::show::push_event;
use super::{Failure, block_on};
use logstrata_client::wire::{ErrorKind, Missed, TailQuery};
use logstrata_client::{Client, Error, Tail, Told};
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  logstrata tail                                         every event, as it is stored
  logstrata tail 'level:error service:checkout'
  logstrata tail 'checkout | extract \"took <ms:int>ms\" | where ms:>500'
  logstrata tail level:error --json | jq .message

Events come in the order in which they are stored. Behind `|`: where, extract, fields. Ctrl-C ends it.";

/// The pause before it comes again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Show the events that a query wants as they are stored, until Ctrl-C
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// What the events must be like; every event if left out
    #[arg(default_value = "", hide_default_value = true, allow_hyphen_values = true,
        value_parser = query_text)]
    query: String,
    /// Begin behind the event of this id, instead of with what is stored from now on
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// The server's address
    #[arg(
        long,
        value_name = "URL",
        env = "LOGSTRATA_SERVER",
        default_value = "http://127.0.0.1:7600"
    )]
    server: String,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let usage = |error: Error| Failure::Usage(error.to_string());
    let client = Client::new(&args.server).map_err(usage)?;
    block_on(async {
        tokio::select! {
            ended = follow(&client, args) => ended,
            interrupt = tokio::signal::ctrl_c() => interrupt
                .map_err(|error| Failure::Failed(format!("cannot handle signals: {error}"))),
        }
    })
}

/// Follows for ever, unless the server says that it makes no sense.
async fn follow(client: &Client, args: &Args) -> Result<(), Failure> {
    let mut query = TailQuery { q: args.query.clone(), after: args.after.clone() };
    let (mut pause, mut has_begun) = (FIRST_PAUSE, false);
    loop {
        let why = match client.tail(&query).await {
            Ok(mut tail) => {
                if has_begun && pause > FIRST_PAUSE {
                    complain("note", "the server is there again");
                }
                let is_first = !std::mem::replace(&mut has_begun, true);
                pause = FIRST_PAUSE;
                let ended = show(&mut tail, args, is_first).await;
                query.after = tail.last_id().map(str::to_owned);
                ended?
            }
            Err(error) => error,
        };
        if !may_pass(&why, has_begun) {
            return Err(why.into());
        }
        if pause == FIRST_PAUSE {
            complain("note", &format!("{why}; trying again"));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Whether it makes sense to come again: the server is busy, or one that was there is not, of which a proxy
/// tells as 502 or 504.
fn may_pass(why: &Error, has_begun: bool) -> bool {
    match why {
        Error::Transport { .. } => has_begun,
        Error::Server(refusal) if matches!(refusal.status, 502 | 504) => has_begun,
        _ => why.kind() == Some(ErrorKind::Busy),
    }
}

/// Shows what a tail tells until it ends. Returns why it did.
async fn show(tail: &mut Tail, args: &Args, is_first: bool) -> Result<Error, Failure> {
    let style = Style::of_stdout();
    loop {
        match tail.next().await {
            Ok(Some(Told::Event(event))) => {
                let mut line = String::new();
                match args.json {
                    true => {
                        line.push_str(&event);
                        line.push('\n');
                    }
                    false => push_event(&mut line, &event, style),
                }
                print(&line)?;
            }
            // Whoever comes again has heard it.
            Ok(Some(Told::Warning(warning))) if is_first => complain("warning", &warning),
            Ok(Some(Told::Warning(_))) => {}
            Ok(Some(Told::Missed(Missed { count, after, .. }))) => {
                let message = format!(
                    "{count} events were not read in time and are left out; `--after {after}` shows them"
                );
                complain("missed", &message);
            }
            Ok(None) => {
                let message = "the server has ended the tail".into();
                return Ok(Error::Transport { connecting: false, message });
            }
            Err(error) => return Ok(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use logstrata_client::Refusal;
    use logstrata_client::wire::ErrorDetail;

    /// A proxy whose server is restarted ended a tail for good.
    #[test]
    fn a_tail_comes_again_where_that_can_help() {
        let refused = |status, kind| {
            let (error, ingest) = (ErrorDetail::new(kind, "no"), None);
            Error::Server(Box::new(Refusal { status, error, ingest, retry_after: None }))
        };
        let lost = Error::Transport { connecting: true, message: String::new() };
        let bad_gateway = refused(502, ErrorKind::Unknown);
        for passing in [&lost, &bad_gateway, &refused(504, ErrorKind::Unknown)] {
            assert!(may_pass(passing, true) && !may_pass(passing, false), "{passing:?}");
        }
        assert!(may_pass(&refused(429, ErrorKind::Busy), false));
        for lasting in [refused(400, ErrorKind::Invalid), refused(200, ErrorKind::Corrupt)] {
            assert!(!may_pass(&lasting, true), "{lasting:?}");
        }
    }
}
