//! The table, and the same as JSON.

use serde_json::{Value, json};

use crate::Result;

/// What a number should be.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    Below(f64),
}

struct Row {
    what: String,
    measured: f64,
    unit: &'static str,
    goal: Option<Goal>,
}

/// All that was measured.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    remarks: Vec<String>,
}

impl Report {
    /// A number that has a goal.
    pub(crate) fn goal(&mut self, what: &str, measured: f64, unit: &'static str, goal: Goal) {
        self.rows.push(Row { what: what.to_owned(), measured, unit, goal: Some(goal) });
    }

    /// A number that is worth knowing.
    pub(crate) fn note(&mut self, what: &str, measured: f64, unit: &'static str) {
        self.rows.push(Row { what: what.to_owned(), measured, unit, goal: None });
    }

    /// Something to know about the numbers.
    pub(crate) fn say(&mut self, remark: &str) {
        self.remarks.push(remark.to_owned());
    }

    /// Prints the table, and writes `target/bench/webhook.json`.
    pub(crate) fn publish(&self) -> Result<()> {
        println!("{:54} {:>14} {:>10}  met", "webhook", "measured", "goal");
        for row in &self.rows {
            let measured = format!("{:.3} {}", row.measured, row.unit);
            let (goal, met) = match row.goal {
                Some(Goal::Below(limit)) => (format!("< {limit}"), row.met()),
                None => (String::new(), ""),
            };
            println!("{:54} {measured:>14} {goal:>10}  {met}", row.what);
        }
        self.remarks.iter().for_each(|remark| println!("{remark}"));
        let rows: Vec<Value> = self.rows.iter().map(Row::json).collect();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench");
        std::fs::create_dir_all(folder)?;
        let report = json!({"rows": rows, "remarks": self.remarks});
        Ok(std::fs::write(format!("{folder}/webhook.json"), format!("{report:#}\n"))?)
    }
}

impl Row {
    fn met(&self) -> &'static str {
        match self.goal {
            Some(Goal::Below(limit)) if self.measured < limit => "yes",
            Some(_) => "NO",
            None => "",
        }
    }

    fn json(&self) -> Value {
        let goal = self.goal.map(|Goal::Below(limit)| limit);
        json!({
            "what": self.what, "measured": self.measured, "unit": self.unit,
            "below": goal, "met": goal.map(|limit| self.measured < limit),
        })
    }
}
