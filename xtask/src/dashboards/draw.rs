//! A dashboard as the JSON that Grafana reads (schema of Grafana 10).

use serde_json::{Value, json};

use super::Dashboard;
use super::panel::{Kind, Panel};

const HOST: &str = r#"job=~"$job", instance=~"$instance""#;
const PLACE: &str = r#"job=~"$job", instance=~"$instance", interface=~"$interface""#;

/// Columns of Grafana's grid.
const COLUMNS: u32 = 24;

pub(super) fn dashboard(dashboard: &Dashboard) -> Value {
    let tag = "wireledger";
    json!({
        "annotations": { "list": [] },
        "description": dashboard.description,
        "editable": true,
        "graphTooltip": 1,
        "links": [{
            "asDropdown": true,
            "includeVars": true,
            "keepTime": true,
            "tags": [tag],
            "title": "Wireledger",
            "type": "dashboards",
        }],
        "panels": panels(dashboard),
        "refresh": "30s",
        "schemaVersion": 39,
        "tags": [tag],
        "templating": { "list": variables() },
        "time": { "from": "now-1h", "to": "now" },
        "timezone": "browser",
        "title": dashboard.title,
        "uid": format!("wireledger-{}", dashboard.name),
        "version": 1,
    })
}

fn variables() -> Value {
    json!([
        {
            "label": "Data source",
            "name": "datasource",
            "query": "prometheus",
            "type": "datasource",
        },
        variable("job", "Job", "label_values(wireledger_build_info, job)"),
        variable(
            "instance",
            "Instance",
            r#"label_values(wireledger_build_info{job=~"$job"}, instance)"#,
        ),
        variable(
            "interface",
            "Interface",
            &format!("label_values(wireledger_attach_info{{{HOST}}}, interface)"),
        ),
    ])
}

fn variable(name: &str, label: &str, query: &str) -> Value {
    json!({
        "allValue": ".+",
        "current": { "selected": true, "text": ["All"], "value": ["$__all"] },
        "datasource": source(),
        "definition": query,
        "includeAll": true,
        "label": label,
        "multi": true,
        "name": name,
        "query": { "query": query, "refId": name },
        "refresh": 2,
        "sort": 1,
        "type": "query",
    })
}

fn source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

/// Rows and panels, laid from left to right as they come.
fn panels(dashboard: &Dashboard) -> Vec<Value> {
    let (mut drawn, mut lowest) = (Vec::new(), 0);
    for row in &dashboard.rows {
        drawn.push(json!({
            "collapsed": false,
            "gridPos": { "h": 1, "w": COLUMNS, "x": 0, "y": lowest },
            "id": drawn.len() + 1,
            "panels": [],
            "title": row.title,
            "type": "row",
        }));
        lowest += 1;
        let (mut x, mut y) = (0, lowest);
        for panel in &row.panels {
            if x + panel.width > COLUMNS {
                (x, y) = (0, lowest);
            }
            let place = json!({ "h": panel.height, "w": panel.width, "x": x, "y": y });
            drawn.push(self::panel(panel, drawn.len() + 1, &place));
            (x, lowest) = (x + panel.width, lowest.max(y + panel.height));
        }
    }
    drawn
}

fn panel(panel: &Panel, id: usize, place: &Value) -> Value {
    let mut drawn = json!({
        "datasource": source(),
        "description": panel.description,
        "fieldConfig": { "defaults": defaults(panel), "overrides": [] },
        "gridPos": place,
        "id": id,
        "options": options(panel.kind),
        "targets": targets(panel),
        "title": panel.title,
        "type": match panel.kind {
            Kind::Lines | Kind::Areas => "timeseries",
            Kind::Heat => "heatmap",
            Kind::Number => "stat",
            Kind::Table => "table",
        },
    });
    if panel.kind == Kind::Table {
        // The evaluation's time says nothing in a table of one moment.
        let columns = json!({ "excludeByName": { "Time": true }, "indexByName": {} });
        drawn["transformations"] = json!([{ "id": "organize", "options": columns }]);
    }
    drawn
}

fn defaults(panel: &Panel) -> Value {
    let steps: Vec<_> = panel
        .steps
        .iter()
        .map(|(value, colour)| json!({ "color": colour, "value": value }))
        .collect();
    // A line has a colour of its own, unless its thresholds say more.
    let by_value = panel.kind == Kind::Number;
    let mut defaults = json!({
        "color": { "mode": if by_value { "thresholds" } else { "palette-classic" } },
        "thresholds": { "mode": "absolute", "steps": steps },
        "unit": panel.unit,
    });
    if matches!(panel.kind, Kind::Lines | Kind::Areas) {
        let stacked = panel.kind == Kind::Areas;
        let judged = panel.steps.len() > 1 && !stacked;
        defaults["min"] = json!(0);
        defaults["custom"] = json!({
            "drawStyle": "line",
            "fillOpacity": if stacked { 60 } else { 8 },
            "lineWidth": 1,
            "showPoints": "never",
            "stacking": { "group": "A", "mode": if stacked { "normal" } else { "none" } },
            "thresholdsStyle": { "mode": if judged { "dashed" } else { "off" } },
        });
    }
    defaults
}

fn options(kind: Kind) -> Value {
    match kind {
        Kind::Lines | Kind::Areas => json!({
            "legend": { "calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom" },
            "tooltip": { "mode": "multi", "sort": "desc" },
        }),
        Kind::Heat => json!({
            "calculate": false,
            "cellGap": 1,
            "color": { "exponent": 0.5, "mode": "scheme", "scheme": "Oranges", "steps": 64 },
            "legend": { "show": true },
            "tooltip": { "mode": "single", "yHistogram": true },
            "yAxis": { "unit": "short" },
        }),
        Kind::Number => json!({
            "colorMode": "value",
            "graphMode": "area",
            "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
            "textMode": "auto",
        }),
        Kind::Table => json!({
            "cellHeight": "sm",
            "showHeader": true,
            "sortBy": [{ "desc": true, "displayName": "Value" }],
        }),
    }
}

fn targets(panel: &Panel) -> Vec<Value> {
    let queries = panel.queries.iter().zip('A'..='Z');
    let drawn = queries.map(|((expression, legend), letter)| {
        let instant = panel.kind == Kind::Table;
        json!({
            "datasource": source(),
            "editorMode": "code",
            "expr": expression.replace("PLACE", PLACE).replace("HOST", HOST),
            "format": match panel.kind {
                Kind::Table => "table",
                Kind::Heat => "heatmap",
                _ => "time_series",
            },
            "instant": instant,
            "legendFormat": legend,
            "range": !instant,
            "refId": letter.to_string(),
        })
    });
    drawn.collect()
}
