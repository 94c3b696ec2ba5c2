//! Blocks of several kinds that refer to each other, as projects that are measured are made of.

/// The block of that number; every fourth begins anew.
pub fn block(at: usize) -> String {
    match at % 4 {
        0 => format!(
            "dataset \"d{at}\" {{\n  from        = [\"data/{at}.csv\"]\n  description = \"number {at} of ${{var.v}}\"\n}}\n\n"
        ),
        1 => format!(
            "storage \"s{at}\" {{\n  kind        = \"object\"\n  description = upper(\"x{at}\")\n}}\n\n"
        ),
        2 => format!(
            "dataset \"e{at}\" {{\n  from    = [dataset.d{}]\n  storage = storage.s{}\n}}\n\n",
            at - 2,
            at - 1
        ),
        _ => format!(
            "model \"m{at}\" {{\n  aliases = [\"champion\"]\n  keep    = {{ versions = var.v + {} }}\n}}\n\n",
            at % 7
        ),
    }
}
