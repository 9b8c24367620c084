//! contrib/: what is shipped for Prometheus and Grafana is valid, whole, and speaks of metrics that exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use wireledger_tests::{
    contrib::{Selector, dashboards, grouped, read, root, selectors},
    prometheus::{program, promtool},
};

type Result = anyhow::Result<()>;

const PROMETHEUS: &str = "contrib/prometheus";
const ALERTS: &str = "contrib/prometheus/alerts.yml";
const RECORDING: &str = "contrib/prometheus/recording.yml";
const TESTS: [&str; 5] = [
    "daemon.test.yml",
    "ledger.test.yml",
    "recording.test.yml",
    "scans.test.yml",
    "traffic.test.yml",
];

/// Units that Grafana knows, those in use here.
const UNITS: [&str; 9] =
    ["pps", "bps", "cps", "bytes", "decbytes", "percentunit", "s", "short", "bool_yes_no"];

/// Labels that Prometheus gives to every series, and that of a histogram's buckets.
const EVERYWHERE: [&str; 3] = ["job", "instance", "le"];

/// Series that Prometheus makes itself.
const OWN: [&str; 2] = ["up", "scrape_duration_seconds"];

/// A rule, by the shape that the files have.
struct Rule {
    name: String,
    expression: String,
    /// All its lines.
    text: String,
}

fn rules(file: &str) -> anyhow::Result<Vec<Rule>> {
    let text = read(file)?;
    let mut rules: Vec<Rule> = Vec::new();
    let mut within = false;
    for line in text.lines() {
        if let Some(("- alert" | "- record", name)) = line.trim_start().split_once(": ") {
            let name = name.to_owned();
            rules.push(Rule { name, expression: String::new(), text: String::new() });
        }
        let Some(rule) = rules.last_mut() else { continue };
        rule.text += &format!("{line}\n");
        if let Some(expression) = line.trim_start().strip_prefix("expr: ") {
            within = expression == "|";
            rule.expression += if within { "" } else { expression };
        } else if within && line.starts_with("          ") {
            rule.expression += &format!("{line}\n");
        } else {
            within = false;
        }
    }
    ensure!(rules.iter().all(|rule| !rule.expression.is_empty()), "{file}: a rule without expr");
    Ok(rules)
}

/// A family of docs/METRICS.md.
struct Family {
    kind: String,
    labels: Vec<String>,
}

fn families() -> anyhow::Result<BTreeMap<String, Family>> {
    let page = read("docs/METRICS.md")?;
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let each = rows.map(|row| {
        let columns: Vec<_> = row.split('|').map(str::trim).collect();
        let [_, name, kind, labels, ..] = columns[..] else {
            anyhow::bail!("a row of METRICS.md: {row}")
        };
        let words = |text: &str| {
            let words = text.split(',').map(|word| word.trim().trim_matches('`'));
            words.filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        let name = words(name).pop().context("a row without a name")?;
        Ok((name, Family { kind: kind.to_owned(), labels: words(labels) }))
    });
    each.collect()
}

/// Everything that is asked anywhere: where, and the expression.
fn expressions() -> anyhow::Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for file in [ALERTS, RECORDING] {
        all.extend(rules(file)?.into_iter().map(|rule| (rule.name, rule.expression)));
    }
    for dashboard in dashboards()? {
        let queries = dashboard.queries()?;
        all.extend(queries.into_iter().map(|query| (query.at, query.expression)));
        let variables = dashboard.variables();
        all.extend(variables.into_iter().map(|(selector, label)| {
            (format!("{}: variable {label}", dashboard.file), format!("{selector} by ({label})"))
        }));
    }
    Ok(all)
}

/// The family that a selector is of, and what its series may be called.
fn family<'f>(families: &'f BTreeMap<String, Family>, selector: &Selector) -> Option<&'f Family> {
    let whole = families.get(&selector.name).filter(|family| family.kind != "histogram");
    whole.or_else(|| {
        let parts = ["_bucket", "_sum", "_count"];
        let base = parts.iter().find_map(|part| selector.name.strip_suffix(part))?;
        families.get(base).filter(|family| family.kind == "histogram")
    })
}

#[test]
fn promtool_takes_every_file() -> Result {
    let Some(tool) = program("promtool")? else { return Ok(()) };
    let folder = root().join(PROMETHEUS);
    promtool(&tool, &folder, &["check", "rules", "alerts.yml", "recording.yml"])?;
    for file in TESTS {
        promtool(&tool, &folder, &["test", "rules", file])?;
    }
    // What the example names must be there.
    let scratch = tempfile::tempdir()?;
    for file in ["alerts.yml", "recording.yml", "prometheus.example.yml"] {
        fs::copy(folder.join(file), scratch.path().join(file))?;
    }
    fs::write(scratch.path().join("wireledger.ca.pem"), "")?;
    fs::write(scratch.path().join("wireledger.password"), "")?;
    fs::create_dir(scratch.path().join("targets"))?;
    fs::copy(folder.join("targets/wireledger.yml"), scratch.path().join("targets/wireledger.yml"))?;
    promtool(&tool, scratch.path(), &["check", "config", "prometheus.example.yml"])?;
    Ok(())
}

#[test]
fn every_test_file_is_run() -> Result {
    let files = fs::read_dir(root().join(PROMETHEUS))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<anyhow::Result<BTreeSet<_>>>()?;
    let tests: Vec<_> = files.iter().filter(|file| file.ends_with(".test.yml")).collect();
    assert_eq!(tests, TESTS);
    Ok(())
}

#[test]
fn every_alert_has_a_case_that_fires_and_one_that_does_not() -> Result {
    let mut cases = String::new();
    for file in TESTS {
        cases += &read(&format!("{PROMETHEUS}/{file}"))?;
    }
    for Rule { name, .. } in rules(ALERTS)? {
        let begin = format!("- alertname: {name}\n");
        let of_alert: Vec<_> = cases.split(&begin).skip(1).collect();
        let quiet = |case: &&str| {
            let expected = case.lines().find(|line| line.contains("exp_alerts:"));
            expected.is_some_and(|line| line.ends_with("[]"))
        };
        let silent = of_alert.iter().filter(|case| quiet(case)).count();
        assert!(silent > 0, "{name} has no case in which it is silent");
        assert!(of_alert.len() > silent, "{name} has no case in which it fires");
    }
    Ok(())
}

#[test]
fn every_alert_says_how_bad_what_and_where_to_read_on() -> Result {
    let page = read("docs/MONITORING.md")?;
    let headings: BTreeSet<_> =
        page.lines().filter_map(|line| line.strip_prefix("### Wireledger")).collect();
    let alerts = rules(ALERTS)?;
    for Rule { name, text, .. } in &alerts {
        let said = |key: &str| {
            let found = text.lines().find_map(|line| line.trim_start().strip_prefix(key));
            found.with_context(|| format!("{name} has no {key}"))
        };
        let severity = said("severity: ")?;
        assert!(["critical", "warning", "info"].contains(&severity), "{name}: {severity}");
        said("summary: ")?;
        said("description: ")?;
        let (page, anchor) =
            said("runbook_url: ")?.split_once('#').context("a runbook without an anchor")?;
        assert!(page.ends_with("/docs/MONITORING.md"), "{name}: {page}");
        assert_eq!(anchor, name.to_lowercase());
    }
    let names: BTreeSet<_> =
        alerts.iter().filter_map(|rule| rule.name.strip_prefix("Wireledger")).collect();
    assert_eq!(headings, names);
    Ok(())
}

#[test]
fn every_metric_and_label_is_one_that_metrics_md_has() -> Result {
    let families = families()?;
    let mut wrong = BTreeSet::new();
    for (at, expression) in expressions()? {
        let of = selectors(&expression);
        let theirs = of.iter().filter(|selector| !OWN.contains(&selector.name.as_str()));
        let (mut known, mut all): (BTreeSet<&str>, _) = (EVERYWHERE.into(), true);
        for selector in theirs {
            let Some(family) = family(&families, selector) else {
                wrong.insert(format!("{}: no such metric ({at})", selector.name));
                all = false;
                continue;
            };
            let here: BTreeSet<_> =
                family.labels.iter().map(String::as_str).chain(EVERYWHERE).collect();
            let strange = selector.labels.iter().filter(|label| !here.contains(label.as_str()));
            wrong
                .extend(strange.map(|label| format!("{}: no label {label} ({at})", selector.name)));
            known.extend(here);
        }
        let strange = grouped(&expression).into_iter().filter(|label| !known.contains(&**label));
        wrong.extend(strange.filter(|_| all).map(|label| format!("nothing has {label} ({at})")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

#[test]
fn a_counter_is_shown_by_what_it_grows() -> Result {
    for (at, expression) in expressions()? {
        for Selector { name, function, .. } in selectors(&expression) {
            let grows =
                ["_total", "_bucket", "_sum", "_count"].iter().any(|end| name.ends_with(end));
            let rated = ["rate", "increase"].contains(&&*function);
            assert_eq!(
                grows, rated,
                "{at}: {name}: rate() or increase() for counters, and for them only"
            );
        }
    }
    Ok(())
}

#[test]
fn every_panel_has_its_words_a_unit_and_legends() -> Result {
    let (mut ids, mut titles) = (BTreeSet::new(), BTreeSet::new());
    for dashboard in dashboards()? {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        assert!(
            ids.insert(text(&dashboard.json["uid"])),
            "{}: another has its uid",
            dashboard.file
        );
        assert!(titles.insert(text(&dashboard.json["title"])), "{}: title", dashboard.file);
        assert!(!text(&dashboard.json["description"]).is_empty(), "{}", dashboard.file);
        let variables = dashboard.json["templating"]["list"].as_array().context("variables")?;
        let names: Vec<_> = variables.iter().map(|variable| text(&variable["name"])).collect();
        assert_eq!(names, ["datasource", "job", "instance", "interface"]);
        let mut within = BTreeSet::new();
        for panel in dashboard.json["panels"].as_array().context("panels")? {
            assert!(within.insert(panel["id"].as_u64()), "{}: {}", dashboard.file, panel["id"]);
        }
        for panel in dashboard.panels() {
            let at = format!("{}: {}", dashboard.file, panel["title"]);
            assert!(!text(&panel["title"]).is_empty(), "{at}");
            assert!(text(&panel["description"]).ends_with('.'), "{at}: description");
            let unit = text(&panel["fieldConfig"]["defaults"]["unit"]);
            assert!(UNITS.contains(&unit.as_str()), "{at}: unit {unit}");
            let steps = &panel["fieldConfig"]["defaults"]["thresholds"]["steps"];
            assert!(steps.as_array().is_some_and(|steps| !steps.is_empty()), "{at}: thresholds");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{at}");
        }
        for query in dashboard.queries()? {
            assert!(!query.legend.is_empty(), "{}: legend", query.at);
            let one = "job=~\"$job\", instance=~\"$instance\"";
            let chosen = selectors(&query.expression);
            assert!(chosen.iter().all(|selector| selector.text.contains(one)), "{}", query.at);
        }
    }
    assert_eq!(ids.len(), 6);
    Ok(())
}

#[test]
fn selectors_are_found_wherever_they_stand() {
    let text = r#"sum by (a) (rate(wireledger_x_total{b=~"}|c", d!="e"}[5m])) / wireledger_y > on (f) up{g="h"}"#;
    let found = selectors(text);
    let names: Vec<_> = found.iter().map(|selector| &*selector.name).collect();
    assert_eq!(names, ["wireledger_x_total", "wireledger_y", "up"]);
    assert_eq!(found[0].labels, ["b", "d"]);
    assert_eq!(found[0].text, r#"wireledger_x_total{b=~"}|c", d!="e"}"#);
    assert_eq!(found[0].function, "rate");
    assert_eq!(found[1].function, "");
    assert_eq!(grouped(text), ["a", "f"]);
}
