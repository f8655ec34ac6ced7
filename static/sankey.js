// Draws the first steps of paths as a sankey picture from <script type="application/json">, beside the table that says
// the same. Names come from strangers: they are only ever set as text. The tip is our own element, because the library's
// writes style attributes, which the pages' Content-Security-Policy refuses.
"use strict";

(() => {
  const END = { conversion: "\u0001", further: "\u0002" };

  /** The colour that the stylesheet gives to a class now, in this theme. */
  function paint(className, property) {
    const probe = document.createElement("i");
    probe.className = className;
    probe.style.position = "absolute";
    probe.style.color = property;
    document.body.append(probe);
    const colour = getComputedStyle(probe).color;
    probe.remove();
    return colour;
  }

  /** Nodes, one a value and step, the ends once; links between them. Ids hold the step, so nothing goes in circles. */
  function graph(moves) {
    const nodes = new Map();
    const add = (step, place) => {
      const id = END[place.key] || `${step}:${place.key}`;
      if (!nodes.has(id)) nodes.set(id, { id, place, step });
      return id;
    };
    const links = moves.map((one) => ({ source: add(one.step, one.before), target: add(one.step + 1, one.after), value: one.n }));
    return { nodes, links };
  }

  function draw(box) {
    const source = document.getElementById(box.dataset.sankey);
    const data = source && JSON.parse(source.textContent);
    if (!data || !data.moves.length || !globalThis.echarts) return;
    const { nodes, links } = graph(data.moves);
    const write = new Intl.NumberFormat(document.documentElement.lang || "en");
    box.hidden = false;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", data.title);
    const canvas = document.createElement("div");
    canvas.className = "sankey-canvas";
    const tip = document.createElement("p");
    tip.className = "sankey-tip";
    tip.setAttribute("role", "status");
    box.append(canvas);
    box.after(tip);
    const chart = echarts.init(canvas, null, { renderer: "svg", locale: "EN" });
    const tones = [...new Set([...nodes.values()].map((one) => one.place.key).filter((key) => key.startsWith("=")))];
    const toneOf = (place) => {
      if (place.key === "conversion") return paint("", "var(--good)");
      if (!place.key.startsWith("=")) return paint("ch-other", "var(--tone)");
      return paint(place.tone || `series-${(tones.indexOf(place.key) % 8) + 1}`, "var(--tone, var(--line-strong))");
    };
    const name = (id) => nodes.get(id).place.name;

    const redraw = () => {
      const text = paint("", "var(--text)");
      const last = Math.max(...links.map((one) => nodes.get(one.source).step));
      chart.setOption({
        animation: false,
        aria: { enabled: true, label: { description: data.title } },
        series: [{
          type: "sankey",
          left: 6, right: 6, top: 10, bottom: 10,
          nodeWidth: 12, nodeGap: 9, nodeAlign: "justify", draggable: false, silent: false,
          emphasis: { disabled: true },
          label: { color: text, fontSize: 11.5, fontFamily: getComputedStyle(document.body).fontFamily, width: Math.max(60, canvas.clientWidth / (last + 1) - 26), overflow: "truncate", formatter: (one) => name(one.name) },
          lineStyle: { color: "source", opacity: 0.28, curveness: 0.5 },
          data: [...nodes.values()].map((one) => ({
            name: one.id,
            itemStyle: { color: toneOf(one.place), borderWidth: 0 },
            label: END[one.place.key] ? { position: "left" } : { position: "right" },
          })),
          links,
        }],
      }, true);
    };
    chart.on("mouseover", (event) => {
      if (event.dataType === "edge") tip.textContent = `${name(event.data.source)} → ${name(event.data.target)}: ${write.format(event.data.value)}`;
      else if (event.dataType === "node") tip.textContent = `${name(event.data.name)}: ${write.format(event.value)}`;
    });
    chart.on("mouseout", () => { tip.textContent = ""; });
    redraw();
    new ResizeObserver(() => { chart.resize(); redraw(); }).observe(box);
    document.addEventListener("themechange", redraw);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  }

  document.querySelectorAll("[data-sankey]").forEach(draw);
})();
