//! The page in `docs/benchmarks`: a text and its pictures, made from what the benchmarks wrote down and
//! from nothing else, so that the same results give the same bytes.

mod bars;
mod goals;
mod growth;
mod number;
mod section;
mod svg;

use std::collections::BTreeMap;

use bench_results::Results;

pub(crate) use self::goals::unexplained;

/// The page's own file; the others are its pictures.
pub(crate) const PAGE: &str = "README.md";

/// The benchmarks in the page's order, with what each is about and how it is run.
const BENCHMARKS: [Benchmark; 5] = [
    Benchmark {
        name: "webhook",
        title: "Admission",
        about: "One pod admitted in process, and over TLS beside a Go webhook that does the same injection \
                with controller-runtime, and beside the floor: our own server with a handler that only says yes.",
    },
    Benchmark {
        name: "sidecar",
        title: "Auth sidecar",
        about: "Each program verifies the same tokens and forwards to the same upstream, alone on one core; \
                the load and the upstream have another.",
    },
    Benchmark {
        name: "spawner",
        title: "Spawner",
        about: "Against a real API server, by the API server's own account of calls and bytes. The pods' status is written by the \
                benchmark instead of kubelets.",
    },
    Benchmark {
        name: "path",
        title: "The whole path",
        about: "From the request to the first byte of the runtime, under a real kubelet with the image there: \
                a user's pod through spawner and sidecar, and the same pod without either.",
    },
    Benchmark {
        name: "instructions",
        title: "Instructions of the hot paths",
        about: "What CI guards, counted by valgrind on one thread with fixed input: hardly a busy machine's business.",
    },
];

struct Benchmark {
    name: &'static str,
    title: &'static str,
    about: &'static str,
}

/// Why a goal is missed, by the benchmark and the name of the number.
pub(crate) type Causes = BTreeMap<String, BTreeMap<String, String>>;

/// Every file of the page by its name. `all` is what was measured, in any order.
pub(crate) fn render(all: &[Results], causes: &Causes) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut text = INTRODUCTION.to_owned();
    text.push_str(&goals::render(all, causes));
    for benchmark in &BENCHMARKS {
        text.push_str(&format!("\n## {}\n\n{}\n\n", benchmark.title, benchmark.about));
        match all.iter().find(|results| results.benchmark == benchmark.name) {
            Some(results) => section::render(results, &mut text, &mut files),
            None => text.push_str(&format!(
                "Not measured in what is written down here; `make bench-{}` measures it.\n",
                benchmark.name
            )),
        }
    }
    files.insert(PAGE.to_owned(), text);
    files
}

const INTRODUCTION: &str = "\
# Benchmarks

Written by `bench-report` from [the results](results); do not edit. `make bench` measures everything on two quiet cores and
renders this page, `make bench-report` records what `target/bench` holds and renders it again. Each number is the median of its
rounds. Ratios are ours divided by the peer's, from the same run: below 1 we need less of it. What follows from the numbers for
many users stands in [scale.md](scale.md).

";

/// The title of a benchmark.
fn title(name: &str) -> &str {
    BENCHMARKS.iter().find(|known| known.name == name).map_or(name, |known| known.title)
}

#[cfg(test)]
mod tests;
