"""The parts of the HTML report (`outputs.html`): what the page shows, how code and prose become HTML, and the page's
template, style and script."""
