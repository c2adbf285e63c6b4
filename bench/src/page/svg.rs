//! A picture made of a few shapes, readable on light and on dark paper: as an image it follows the
//! reader's preference by itself (prefers-color-scheme).

use std::fmt::Write as _;

/// The picture's width, in its own units.
pub(super) const WIDTH: f64 = 760.0;

const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#1f2328}.t{font-weight:600}.s{fill:#59636e}.e{text-anchor:end}.m{text-anchor:middle}\
.o{fill:#0969da;stroke:#0969da}.p{fill:#afb8c1}.g{stroke:#d1242f;stroke-dasharray:3 2}.a{stroke:#d1d9e0}.f{stroke:#0969da;fill:none}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.s{fill:#9198a1}.o{fill:#4493f8;stroke:#4493f8}.p{fill:#565f69}\
.g{stroke:#f85149}.a{stroke:#3d444d}.f{stroke:#4493f8}}";

/// What is drawn so far.
pub(super) struct Svg {
    shapes: String,
}

impl Svg {
    pub(super) const fn new() -> Self {
        Self { shapes: String::new() }
    }

    /// A line of text at its baseline. `class`: `t` a title, `s` less important, `e` ends there, `m` has its
    /// middle there.
    pub(super) fn text(&mut self, class: &str, [x, y]: [f64; 2], text: &str) {
        let text = escape(text);
        self.add(format_args!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>"));
    }

    /// A bar. `class`: `o` ours, `p` a peer's.
    pub(super) fn bar(&mut self, class: &str, [x, y]: [f64; 2], [width, height]: [f64; 2]) {
        self.add(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"2\" stroke=\"none\"/>"
        ));
    }

    /// A straight line. `class`: `a` an axis, `f` a fit, `g` a goal.
    pub(super) fn line(&mut self, class: &str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) {
        self.add(format_args!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ));
    }

    /// A measured point.
    pub(super) fn point(&mut self, [x, y]: [f64; 2]) {
        self.add(format_args!("<circle class=\"o\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>"));
    }

    /// The whole file, with what it shows for those who do not see it.
    pub(super) fn finish(self, title: &str, height: f64) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {height:.0}\" width=\"{WIDTH:.0}\" height=\"{height:.0}\" \
             role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>\n{}</svg>\n",
            escape(title),
            self.shapes
        )
    }

    fn add(&mut self, shape: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.shapes, "{shape}");
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_markup() {
        let mut svg = Svg::new();
        svg.text("t", [0.0, 1.0], "a < b & c");
        assert!(svg.finish("<x>", 10.0).contains(">a &lt; b &amp; c</text>"));
    }
}
