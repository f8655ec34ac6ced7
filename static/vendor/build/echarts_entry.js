// Only the parts of ECharts that our charts draw with; the tooltip is ours (static/charts.js), because ECharts' own
// writes style attributes, which the pages' Content-Security-Policy refuses.
import * as echarts from "echarts/core";
import { BarChart, LineChart, SankeyChart } from "echarts/charts";
import { AriaComponent, AxisPointerComponent, GridComponent } from "echarts/components";
import { SVGRenderer } from "echarts/renderers";

echarts.use([AriaComponent, AxisPointerComponent, BarChart, GridComponent, LineChart, SankeyChart, SVGRenderer]);

globalThis.echarts = { init: echarts.init };
