//! The plan as one page that needs nothing beside it: a tree that can be filtered, field by field, and the graph of steps.

use minijinja::{Environment, context};

use super::graph::graph;
use super::page::Page;
use super::view::View;
use crate::Plan;

/// Columns at which a value is shown line by line.
const WIDTH: usize = 96;

/// The plan as a page.
///
/// # Errors
/// The template cannot be filled, which would be a mistake of this program.
pub fn render_html(plan: &Plan) -> Result<String, String> {
    page(plan).map_err(|error| format!("the page of a plan cannot be made: {error:#}"))
}

fn page(plan: &Plan) -> Result<String, minijinja::Error> {
    let view = View::of(plan);
    let page = Page::of(plan, &view, WIDTH);
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.add_template("plan.html", include_str!("templates/plan.html.j2"))?;
    let (style, script) = (include_str!("templates/plan.css"), include_str!("templates/plan.js"));
    environment
        .get_template("plan.html")?
        .render(context! { page => page, graph => graph(plan), style => style, script => script })
}
