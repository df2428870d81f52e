//! `milena-simulate`: runs seeds one after the other, and tells of the first one that fails.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use milena_simulation::run::{Options, minimise, run};

const USAGE: &str = "milena-simulate [--seeds N] [--start S] [--keep-going] [--trace] \
[--without-faults A,B] [--without-clients A,B] [--until-ms MS] [--no-minimise]";

#[derive(Debug)]
struct Arguments {
    start: u64,
    seeds: u64,
    keeps_going: bool,
    minimises: bool,
    options: Options,
}

fn parse() -> Result<Arguments, String> {
    let mut arguments = Arguments {
        start: 0,
        seeds: 100,
        keeps_going: false,
        minimises: true,
        options: Options::default(),
    };
    let mut given = std::env::args().skip(1);
    while let Some(flag) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("{flag} needs a value"));
        match flag.as_str() {
            "--keep-going" => arguments.keeps_going = true,
            "--no-minimise" => arguments.minimises = false,
            "--trace" => arguments.options.keeps_trace = true,
            "--seeds" => arguments.seeds = number(&value()?)?,
            "--start" => arguments.start = number(&value()?)?,
            "--until-ms" => {
                let until_ms =
                    i64::try_from(number(&value()?)?).map_err(|error| error.to_string())?;
                arguments.options.until_ms = Some(until_ms);
            }
            "--without-faults" => arguments.options.without_faults = numbers(&value()?)?,
            "--without-clients" => arguments.options.without_clients = numbers(&value()?)?,
            _ => return Err(format!("{flag} is unknown\n{USAGE}")),
        }
    }
    Ok(arguments)
}

fn number(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("{text} is no number\n{USAGE}"))
}

fn numbers(text: &str) -> Result<BTreeSet<usize>, String> {
    text.split(',')
        .map(|part| part.parse().map_err(|_| format!("{part} is no number")))
        .collect()
}

fn main() -> ExitCode {
    let arguments = match parse() {
        Ok(arguments) => arguments,
        Err(error) => return tell(&error, ExitCode::from(2)),
    };
    if !arguments.options.keeps_trace {
        // A failure is told once, with its seed.
        std::panic::set_hook(Box::new(|_| {}));
    }
    #[allow(clippy::disallowed_methods, reason = "what seeds cost; no run sees it")]
    let started = Instant::now();
    let (mut failed, mut events, mut simulated_ms, mut values) = (0_u64, 0, 0, 0);
    let end = arguments.start.saturating_add(arguments.seeds);
    for seed in arguments.start..end {
        let report = run(seed, &arguments.options);
        events += report.events;
        simulated_ms += report.simulated_ms;
        values += report.values;
        for line in &report.lines {
            say(line);
        }
        let Some(failure) = report.failure else {
            continue;
        };
        failed += 1;
        say(&format!("seed {seed} fails: {failure}"));
        if arguments.minimises && !arguments.options.keeps_trace {
            let smallest = minimise(seed);
            let repeated = run(seed, &smallest);
            say(&format!(
                "  smallest: {}",
                repeated.failure.unwrap_or_default()
            ));
            for (number, fault) in repeated.faults.iter().enumerate() {
                if !smallest.without_faults.contains(&number) {
                    say(&format!("  fault {number}: {fault:?}"));
                }
            }
            say(&format!("  clients: {}", repeated.clients.join(", ")));
            say(&format!(
                "  repeat: cargo run -p milena-simulation -- {}",
                smallest.arguments(seed)
            ));
        }
        if !arguments.keeps_going {
            break;
        }
    }
    let seconds = started.elapsed().as_secs_f64().max(0.001);
    let ran = arguments.seeds as f64;
    let text = format!(
        "{} seeds, {failed} failed, {events} events, {values} values, {} simulated seconds in {seconds:.1} s: {:.1} seeds/s",
        arguments.seeds,
        simulated_ms / 1000,
        ran / seconds
    );
    let code = if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    tell(&text, code)
}

fn say(text: &str) {
    // Whoever reads may have gone.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn tell(text: &str, code: ExitCode) -> ExitCode {
    say(text);
    code
}
