"use strict";
// Draws the page's Plotly figures in its own colours and type, so that they follow light and dark.
const aceCharts = (() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const charts = [...document.querySelectorAll("[data-figure]")];
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const theme = () => {
    const axis = { gridcolor: css("--line"), zerolinecolor: css("--quiet"), linecolor: css("--line") };
    return {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: css("--ink"), family: getComputedStyle(document.body).fontFamily, size: 13 },
      hoverlabel: { bgcolor: css("--panel"), font: { color: css("--ink") } },
      dragmode: false,
      xaxis: axis,
      yaxis: axis,
    };
  };
  const merged = (layout) => {
    const base = theme();
    const axes = Object.keys(layout).filter((name) => /^[xy]axis\d*$/.test(name));
    const themed = axes.map((name) => [name, { ...base[name.replace(/\d+$/, "")], ...layout[name] }]);
    return { ...base, ...layout, ...Object.fromEntries(themed) };
  };
  const redraw = () => {
    for (const chart of charts) {
      const { data, layout } = figures[chart.dataset.figure];
      Plotly.react(chart, data, merged(layout), { displayModeBar: false, responsive: true });
    }
  };
  redraw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  return Object.assign(charts, { figures, redraw });
})();
