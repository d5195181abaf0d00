//! `copepod-measure`: what the benchmarks call to measure the engine without Node around it. Each figure is one line on standard output:
//! a subject, a metric, and the samples. What is built wrong or called wrong says so on standard error and exits with 1.

mod direct;
mod footprint;
mod instantiate;
mod memory;
mod serve;
mod subject;
mod yardstick;

use std::process::ExitCode;

/// As in the addon: what the engine allocates for a request is small and short-lived.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "usage: copepod-measure
  instantiate FILE ROUNDS     µs to make and to drop an instance: through the engine, and with wasmtime directly, in turns
  daemons FILE COUNT          bytes of a live idle command, of COUNT
  pods FILE COUNT             bytes of a ready service, of COUNT made from one component
  serve FILE PORT [REUSES]    answers on 127.0.0.1:PORT, for a profiler; an instance answers REUSES requests (1)
  hyper PORT                  answers the same bytes on the same threads without a guest: the yardstick";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("copepod-measure: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Result<(), Failure> {
    match args {
        ["instantiate", file, rounds] => instantiate::run(file.as_ref(), rounds.parse()?),
        ["daemons", file, count] => footprint::daemons(file.as_ref(), count.parse()?),
        ["pods", file, count] => footprint::pods(file.as_ref(), count.parse()?),
        ["serve", file, port] => serve::run(file.as_ref(), port.parse()?, 1),
        ["serve", file, port, reuses] => serve::run(file.as_ref(), port.parse()?, reuses.parse()?),
        ["hyper", port] => yardstick::run(port.parse()?),
        _ => Err(USAGE.into()),
    }
}

/// Prints one figure.
fn report(subject: &str, metric: &str, samples: &[f64]) {
    let samples: Vec<String> = samples.iter().map(|sample| format!("{sample:.3}")).collect();
    println!("{subject}\t{metric}\t{}", samples.join(" "));
}
