//! Writes `docs/metrics.md` and `docs/log.md` from the tables in the code. Run by `make docs`.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    std::fs::create_dir_all(&docs)?;
    std::fs::write(docs.join("metrics.md"), tidegate_engine::metrics::table::page())?;
    std::fs::write(docs.join("log.md"), tidegate_engine::log::fields::page())
}
