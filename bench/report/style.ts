/** The report's style sheet: one column on a telephone, cards side by side on a screen, dark where the reader's system is. */
export const STYLE = `
:root { color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #1d232b; --soft: #4a535f; --line: #dfe2e6; --link: #1b5fae; --bad: #b3261e;
  --native: #6f7885; --classic: #c98a00; --dbt: #0072b2; --paravirt: #009e73; --hvm: #d55e00; --heat: 47, 111, 214;
  --instructions: #9aa5b4; --memory: #56b4e9; --cache: #0072b2; --traps: #e69f00; --exits: #d55e00; --translator: #009e73; --shadow: #b0599a; --devices: #6b4f2a; --idle: #d9dde2; --other: #5f6b7a; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #14171c; --card: #1c2027; --ink: #e6e9ee; --soft: #9aa4b2; --line: #323943; --link: #7fb2f5; --bad: #ff8a80;
  --native: #98a3b1; --classic: #e9b13a; --dbt: #5fb4ec; --paravirt: #3fc79d; --hvm: #f08a45; --heat: 101, 155, 242; --idle: #3a424d; --instructions: #75808f; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body { margin: 0 auto; padding: 24px 20px 64px; max-width: 1160px; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 28px; margin: 8px 0 4px; letter-spacing: -.01em; } h2 { font-size: 20px; margin: 40px 0 4px; } h3 { font-size: 16px; margin: 0; } h4 { font-size: 13px; margin: 14px 0 4px; }
p { margin: 4px 0 12px; max-width: 72ch; } .lead { color: var(--soft); font-size: 16px; } a { color: inherit; text-decoration: none; } p a { color: var(--link); }
code { font: .9em ui-monospace, Menlo, Consolas, monospace; } pre { overflow-x: auto; padding: 10px 14px; background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 8px 0 14px; padding: 0; list-style: none; font-size: 13px; color: var(--soft); }
.legend i, td i { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 6px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; } th { font-weight: 600; text-align: right; } td { text-align: right; } th:first-child, td:first-child { text-align: left; }
.summary { table-layout: fixed; background: var(--card); border: 1px solid var(--line); border-radius: 10px; border-collapse: separate; border-spacing: 0; overflow: hidden; }
.summary th, .summary td { padding: 0; border-bottom: 1px solid var(--line); } .summary tr:last-child > * { border-bottom: 0; } .summary th { padding: 6px 12px; } .summary th:first-child { width: 22%; } .summary thead th { font-size: 13px; color: var(--soft); }
.summary td a { display: block; padding: 6px 12px; } .summary td a:hover, .summary th a:hover { text-decoration: underline; } .summary small { display: block; color: var(--soft); font-size: 11px; line-height: 1.2; }
.heat0 { background: rgba(var(--heat), .04); } .heat1 { background: rgba(var(--heat), .12); } .heat2 { background: rgba(var(--heat), .21); } .heat3 { background: rgba(var(--heat), .30); }
.heat4 { background: rgba(var(--heat), .40); } .heat5 { background: rgba(var(--heat), .50); } .heat6 { background: rgba(var(--heat), .60); } .failed { color: var(--bad); }
svg { display: block; max-width: 100%; } svg .grid { stroke: var(--line); } svg .axis { stroke: var(--soft); } svg .tick { fill: var(--soft); } svg .label { fill: var(--ink); } svg .value { fill: var(--ink); font-size: 11px; } svg .value.failed { fill: var(--bad); }
.native { --tone: var(--native); } .classic { --tone: var(--classic); } .dbt { --tone: var(--dbt); } .paravirt { --tone: var(--paravirt); } .hvm { --tone: var(--hvm); } svg .bar, i.tone { fill: var(--tone); background: var(--tone); }
.k-instructions { fill: var(--instructions); background: var(--instructions); } .k-memory { fill: var(--memory); background: var(--memory); } .k-cache { fill: var(--cache); background: var(--cache); } .k-traps { fill: var(--traps); background: var(--traps); }
.k-exits { fill: var(--exits); background: var(--exits); } .k-translator { fill: var(--translator); background: var(--translator); } .k-shadow { fill: var(--shadow); background: var(--shadow); }
.k-devices { fill: var(--devices); background: var(--devices); } .k-idle { fill: var(--idle); background: var(--idle); } .k-other { fill: var(--other); background: var(--other); }
.chart { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px; } .chart.narrow { display: none; }
.cards { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 14px; align-items: start; margin-top: 10px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px 10px; scroll-margin-top: 10px; } .shows { color: var(--soft); font-size: 13px; margin: 0 0 8px; } .unit { white-space: nowrap; } .unit::before { content: "("; } .unit::after { content: ")"; }
summary { display: grid; grid-template-columns: 66px minmax(0, 1fr) 62px; gap: 10px; align-items: center; padding: 3px 0; cursor: pointer; list-style: none; font-size: 13px; } summary::-webkit-details-marker { display: none; }
summary:hover .mode { text-decoration: underline; } .mode::before { content: ""; display: inline-block; width: 4px; height: 12px; border-radius: 2px; margin-right: 6px; background: var(--tone); vertical-align: -1px; } .mode { white-space: nowrap; } .stack svg { border-radius: 3px; background: linear-gradient(var(--line), var(--line)) 0 100% / 100% 1px no-repeat; } .figure { text-align: right; font-variant-numeric: tabular-nums; }
details[open] > summary { font-weight: 600; } .events { margin: 4px 0 12px; padding: 10px 12px; border-left: 3px solid var(--tone); background: var(--paper); border-radius: 0 8px 8px 0; font-size: 13px; overflow-wrap: anywhere; } .events p { margin: 0 0 6px; }
.events th { color: var(--soft); font-weight: 500; font-size: 12px; vertical-align: bottom; overflow-wrap: normal; } .events th, .events td { padding: 2px 0 2px 10px; } .events th:first-child, .events td:first-child { padding-left: 0; } .events tbody tr { border-top: 1px solid var(--line); } .events td.text, .wrong th { text-align: left; } .events td { vertical-align: top; } .events td:not(:first-child):not(.text) { white-space: nowrap; } .more { color: var(--soft); }
.sources td:nth-child(3) { text-align: left; color: var(--soft); font-size: 13px; padding-left: 16px; overflow-wrap: anywhere; } .sources td, .sources th { padding: 3px 0; vertical-align: top; border-top: 1px solid var(--line); } .sources th:nth-child(3) { text-align: left; padding-left: 16px; } .sources td:first-child { overflow-wrap: anywhere; }
footer { margin-top: 40px; color: var(--soft); font-size: 13px; }
@media (max-width: 760px) { body { padding: 14px 12px 48px; font-size: 14px; } h1 { font-size: 23px; } .cards { grid-template-columns: minmax(0, 1fr); } .chart.wide { display: none; } .chart.narrow { display: block; }
  .summary { font-size: 12px; } .summary th, .summary td a { padding: 5px 4px; } .summary th:first-child { padding-left: 8px; width: 26%; } .card { padding: 12px; } .sources td:nth-child(3) { padding-left: 8px; } }
@media print { .cards { display: block; } .card { break-inside: avoid; margin-bottom: 10px; } }
`;
