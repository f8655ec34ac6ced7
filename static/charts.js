// Draws a stacked bar chart from <script type="application/json">, beside the table that says the same.
// Names come from strangers: they are only ever set as text. The tooltip is our own element, because the library's
// writes style attributes, which the pages' Content-Security-Policy refuses.
"use strict";

(() => {
  const language = document.documentElement.lang || "en";

  /** The colour that the stylesheet gives to a class or token now, in this theme. */
  function paint(className, property) {
    const probe = document.createElement("i");
    probe.className = className;
    probe.hidden = false;
    probe.style.position = "absolute";
    probe.style.color = property;
    document.body.append(probe);
    const colour = getComputedStyle(probe).color;
    probe.remove();
    return colour;
  }

  // Japanese formats come with the full-width yen sign, which tears figures apart.
  const halfWidth = (text) => text.replace("\uFFE5", "\u00A5");

  /** Formatters for values and labels, by unit and grain, in the reader's language. */
  function writer(data) {
    const money = data.unit === "money" && data.currency ? { style: "currency", currency: data.currency, currencyDisplay: "narrowSymbol" } : {};
    const long = new Intl.NumberFormat(language, data.unit === "ratio" ? { minimumFractionDigits: 2, maximumFractionDigits: 2 } : money);
    const short = new Intl.NumberFormat(language, { ...money, notation: "compact", maximumFractionDigits: 1, minimumFractionDigits: 0 });
    const date = (options) => {
      const format = new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, { timeZone: "UTC", ...options });
      return (day) => format.format(new Date(`${day}T00:00:00Z`));
    };
    const month = data.grain === "month";
    return {
      value: (value) => halfWidth(long.format(value)),
      tick: (value) => halfWidth(short.format(value)),
      label: date(month ? { year: "numeric", month: "short" } : language === "ja" ? { month: "numeric", day: "numeric" } : { month: "short", day: "numeric" }),
      title: date(month ? { year: "numeric", month: "long" } : { year: "numeric", month: "short", day: "numeric", weekday: "short" }),
    };
  }

  /** Credit that nobody earned is hatched, as in the table. */
  const hatch = (colour) => ({ symbol: "rect", color: colour, dashArrayX: [1, 0], dashArrayY: [3, 3], rotation: -Math.PI / 4 });

  function options(data, write, hidden) {
    const line = paint("", "var(--line)");
    const muted = paint("", "var(--muted)");
    const surface = paint("", "var(--surface)");
    const text = { color: muted, fontSize: 11.5, fontFamily: getComputedStyle(document.body).fontFamily };
    return {
      animation: false,
      aria: { enabled: true, label: { description: data.title } },
      grid: { left: 6, right: 8, top: 14, bottom: 2, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
      xAxis: {
        type: "category",
        data: data.labels,
        axisTick: { show: false },
        axisLine: { lineStyle: { color: line } },
        axisLabel: { ...text, formatter: write.label, hideOverlap: true },
        axisPointer: { show: true, type: "shadow", z: 0, triggerTooltip: false, label: { show: false }, shadowStyle: { color: paint("", "var(--line)"), opacity: 0.45 } },
      },
      yAxis: {
        type: "value",
        splitNumber: 4,
        minInterval: data.unit === "count" ? 1 : undefined,
        axisLabel: { ...text, formatter: write.tick },
        splitLine: { lineStyle: { color: line } },
      },
      series: data.series
        .filter((one) => !hidden.has(one.key))
        .map((one) => ({
          type: "bar",
          stack: "all",
          name: one.name,
          data: one.values.map((value) => value || null),
          barMaxWidth: 44,
          barCategoryGap: data.labels.length > 20 ? "22%" : "34%",
          itemStyle: { decal: one.tone === "ch-unattributed" ? hatch(surface) : undefined, color: paint(one.tone, "var(--tone)"), borderColor: surface, borderWidth: data.labels.length > 40 ? 0 : 0.5 },
          emphasis: { disabled: true },
        })),
    };
  }

  function swatch(tone) {
    const dot = document.createElement("i");
    dot.className = `dot ${tone}`;
    return dot;
  }

  function textOf(tag, text) {
    const element = document.createElement(tag);
    element.textContent = text;
    return element;
  }

  /** What the bar at `index` says: the parts with a value, largest first, and their sum. */
  function tipContent(data, write, hidden, index) {
    const parts = data.series
      .filter((one) => !hidden.has(one.key) && one.values[index])
      .sort((a, b) => Math.abs(b.values[index]) - Math.abs(a.values[index]));
    const list = document.createElement("ul");
    for (const part of parts) {
      const row = document.createElement("li");
      row.append(swatch(part.tone), textOf("span", part.name), textOf("b", write.value(part.values[index])));
      list.append(row);
    }
    const sum = document.createElement("li");
    sum.className = "sum";
    sum.append(textOf("span", data.total), textOf("b", write.value(parts.reduce((total, part) => total + part.values[index], 0))));
    list.append(sum);
    return [textOf("strong", write.title(data.labels[index])), list];
  }

  /** Follows pointer and arrow keys; the tip is a live region, so keys are heard too. */
  function addTip(box, chart, data, write, hidden) {
    const tip = document.createElement("div");
    tip.className = "chart-tip";
    tip.hidden = true;
    tip.setAttribute("role", "status");
    box.append(tip);
    let current = -1;
    const hide = () => { tip.hidden = true; current = -1; };
    const show = (index) => {
      if (index === current) return;
      current = index;
      tip.replaceChildren(...tipContent(data, write, hidden, index));
      tip.hidden = false;
      const x = chart.convertToPixel({ xAxisIndex: 0 }, index);
      const right = x + 14 + tip.offsetWidth <= box.clientWidth;
      const left = right ? x + 14 : Math.max(0, x - 14 - tip.offsetWidth);
      tip.style.transform = `translate(${Math.round(left)}px, 4px)`;
    };
    chart.on("updateAxisPointer", (event) => {
      const axis = event.axesInfo?.find((one) => one.axisDim === "x");
      if (axis) show(axis.value);
    });
    box.addEventListener("mouseleave", hide);
    box.addEventListener("blur", hide);
    box.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === "Escape") hide();
      if (!step) return;
      event.preventDefault();
      const next = current < 0 ? (step > 0 ? 0 : data.labels.length - 1) : current + step;
      if (next < 0 || next >= data.labels.length) return;
      chart.dispatchAction({ type: "updateAxisPointer", x: chart.convertToPixel({ xAxisIndex: 0 }, next), y: box.clientHeight / 2 });
      show(next);
    });
    return hide;
  }

  function addLegend(list, data, hidden, redraw) {
    if (!list || data.series.length < 2) return;
    for (const one of data.series) {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      button.append(swatch(one.tone), textOf("span", one.name));
      button.addEventListener("click", () => {
        if (!hidden.delete(one.key)) hidden.add(one.key);
        button.setAttribute("aria-pressed", String(!hidden.has(one.key)));
        redraw();
      });
      item.append(button);
      list.append(item);
    }
  }

  function draw(box) {
    const source = document.getElementById(box.dataset.chart);
    const data = source && JSON.parse(source.textContent);
    if (!data || !data.labels.length || !globalThis.echarts) return;
    data.series = data.series.filter((one) => one.values.some(Boolean));
    box.hidden = false;
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", `${data.title}. ${data.hint}.`);
    const canvas = document.createElement("div");
    canvas.className = "chart-canvas";
    box.append(canvas);
    const write = writer(data);
    const hidden = new Set();
    const chart = echarts.init(canvas, null, { renderer: "svg", locale: "EN" });
    const hide = addTip(box, chart, data, write, hidden);
    const redraw = () => {
      hide();
      chart.setOption(options(data, write, hidden), true);
    };
    redraw();
    addLegend(box.parentElement.querySelector("[data-legend]"), data, hidden, redraw);
    new ResizeObserver(() => { hide(); chart.resize(); }).observe(box);
    document.addEventListener("themechange", redraw);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  }

  document.querySelectorAll("[data-chart]").forEach(draw);
})();
