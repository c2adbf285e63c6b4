use std::fmt::Write as _;

use crate::{Measure, Results};

impl Results {
    /// Everything as text for a terminal.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!("{}\nmedians of the rounds\n\n", self.machine);
        let widest = self.measures.iter().map(|measure| measure.name.len()).max();
        let widest = widest.unwrap_or_default();
        for measure in &self.measures {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{:widest$}  {}", measure.name, numbers(measure));
        }
        for growth in &self.growth {
            let _ = write!(text, "\n{} by {} in {}:", growth.name, growth.per, growth.unit);
            for [at, value] in &growth.points {
                let _ = write!(text, " {at}: {value:.2},");
            }
            if let Some(line) = growth.fit {
                let _ = write!(text, " fit {:.2} + {:.3} per 1,000", line.base, line.per_thousand);
            }
        }
        text.push('\n');
        for program in &self.programs {
            let said = program.missing.as_ref().map(|why| format!("not measured: {why}"));
            let _ =
                writeln!(text, "{}: {}", program.name, said.as_ref().unwrap_or(&program.version));
        }
        for remark in &self.remarks {
            let _ = writeln!(text, "{remark}");
        }
        text + "\n" + &self.goals()
    }

    /// Which goals are met, as text for a terminal.
    #[must_use]
    pub fn goals(&self) -> String {
        let mut text = "goals\n".to_owned();
        for measure in &self.measures {
            if let (Some(goal), Some(value)) = (measure.goal, measure.value) {
                let _ = writeln!(
                    text,
                    "  {} {}: {value:.2} {} ({} {:.2}; distance {:+.2})",
                    verdict(measure.met),
                    measure.name,
                    measure.unit,
                    goal.words(),
                    goal.limit(),
                    value - goal.limit(),
                );
            }
            for peer in measure.peers.iter().filter(|_| measure.must_lead) {
                let _ = writeln!(
                    text,
                    "  {} {}: ahead of {} (x {:.2})",
                    verdict(peer.ahead),
                    measure.name,
                    peer.name,
                    peer.ratio.unwrap_or(f64::NAN),
                );
            }
        }
        text
    }
}

fn verdict(met: Option<bool>) -> &'static str {
    if met == Some(true) { "met   " } else { "MISSED" }
}

fn numbers(measure: &Measure) -> String {
    let mut text = format!("{:>10.2} {:6}", measure.value.unwrap_or(f64::NAN), measure.unit);
    if measure.rounds.len() > 1 {
        let rounds: Vec<_> = measure.rounds.iter().map(|number| format!("{number:.2}")).collect();
        let _ = write!(text, "  ({})", rounds.join(", "));
    }
    for peer in &measure.peers {
        let _ = write!(text, "  {} {:.2}", peer.name, peer.value.unwrap_or(f64::NAN));
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::{Goal, Results};

    #[test]
    fn goals_are_told_with_their_distance() {
        let mut results = Results::new("example");
        results.goal("time", "ms", 3.0, Goal::AtMost(3.0)).must_lead = true;
        results.goal("speed", "/s", 3.0, Goal::AtLeast(3.5));
        results.peer("time", "ms", "other", 2.0);
        results.finish();
        let table = results.table();
        assert!(table.contains("met    time: 3.00 ms (at most 3.00; distance +0.00)"), "{table}");
        assert!(table.contains("MISSED time: ahead of other (x 1.50)"), "{table}");
        assert!(table.contains("MISSED speed: 3.00 /s (at least 3.50; distance -0.50)"), "{table}");
    }
}
