//! The page at `/`: what there is, by links.

/// The page's text.
pub(super) fn page(telemetry_path: &str, captures: bool) -> String {
    const CAPTURES: &str = "<li><a href=\"/api/v1/captures\">Captures</a>: who has packets sent, for who may capture</li>\n";
    include_str!("landing.html")
        .replace("{version}", env!("CARGO_PKG_VERSION"))
        .replace("{metrics}", telemetry_path)
        .replace("{captures}", if captures { CAPTURES } else { "" })
}
