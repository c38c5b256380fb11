/* SPDX-License-Identifier: GPL-2.0 */
/* How the page of lqctl report looks, by day, by night and on paper. */
#pragma once

namespace lqctl {

inline constexpr const char *page_style = R"css(
:root{color-scheme:light dark;--bg:#f5f6f8;--card:#fff;--ink:#1b2330;--soft:#5b6675;--rule:#e3e7ec;
--grid:#eceff3;--accept:#2563eb;--syn:#0e8f83;--young:#7ad0c4;--syns:#8b5cf6;--est:#0e8f83;
--acc:#2563eb;--over:#ef4444;--cook:#f59e0b;--heat:#1d4ed8;--warn:#b42318;--chip:#eef1f5;
--c0:#d1495b;--c1:#edae49;--c2:#7b5ea7;--c3:#00798c;--c4:#5e9e4a;--c5:#b3632b;--c6:#4f74c9;--c7:#8d97a5}
@media(prefers-color-scheme:dark){:root{--bg:#0f1318;--card:#181d24;--ink:#e6eaf0;--soft:#98a4b3;
--rule:#2a323c;--grid:#232a33;--accept:#6ea8fe;--syn:#2dd4bf;--young:#1f766c;--syns:#b497ff;
--est:#2dd4bf;--acc:#6ea8fe;--over:#f87171;--cook:#fbbf24;--heat:#7cb0ff;--warn:#ff9b90;
--chip:#232a33;--c0:#f0717f;--c1:#f3c06b;--c2:#a98bd8;--c3:#3fb4c6;--c4:#86c571;--c5:#d98f5c;
--c6:#86a4ea;--c7:#8792a1}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",
Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1480px;margin:0 auto;padding:28px 20px 48px}
h1{font-size:26px;line-height:1.2;margin:0 0 4px;letter-spacing:-.01em}
h2{font-size:19px;margin:0;letter-spacing:-.005em}
p{margin:0}
.sub{color:var(--soft)}
.note-list{margin:14px 0 0;padding:10px 14px 10px 32px;background:var(--card);
border:1px solid var(--rule);border-left:4px solid var(--cook);border-radius:8px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(132px,1fr));gap:12px;margin:22px 0}
.tile{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:12px 16px}
.tile b{display:block;font-size:24px;line-height:1.25;font-weight:650;font-variant-numeric:tabular-nums}
.tile span{color:var(--soft);font-size:13px}
.bad b,b.bad,td.bad{color:var(--warn)}
section,.card{background:var(--card);border:1px solid var(--rule);border-radius:12px;
padding:18px 20px;margin:0 0 18px}
header.row{display:flex;flex-wrap:wrap;gap:6px 10px;align-items:baseline;margin-bottom:10px}
.chip{background:var(--chip);border-radius:20px;padding:2px 10px;font-size:13px;color:var(--soft)}
.chip b{color:var(--ink);font-weight:600}
.chip.bad,.chip.bad b{color:var(--warn)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:10px 0 4px}
th,td{padding:5px 10px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--rule)}
th{color:var(--soft);font-weight:550}
th.l,td.l{text-align:left}
td.w{white-space:normal;color:var(--soft);text-align:left}
tr:last-child td{border-bottom:0}
td a{color:inherit;font-weight:600;text-decoration-color:var(--rule);text-underline-offset:3px}
.bar{display:inline-block;width:64px;height:7px;border-radius:4px;background:var(--chip);
margin-left:8px;overflow:hidden;vertical-align:middle}
.bar i{display:block;height:100%;background:var(--accept)}
.bar.s i{background:var(--syn)}
.bar.full i{background:var(--over)}
figure{margin:14px 0 0}
figcaption{display:flex;flex-wrap:wrap;gap:2px 16px;align-items:center;font-size:13px;
color:var(--soft);padding-left:2px}
figcaption b{color:var(--ink);font-size:14px}
figcaption .note{margin-left:auto;font-size:12px}
.sw{display:inline-block;width:14px;height:10px;border-radius:2px;margin-right:6px;
background:currentColor}
.sw.accept,.sw.accepted{background:var(--accept)}.sw.syn,.sw.established{background:var(--syn)}
.sw.young,.sw.syns,.sw.accepted,.sw.established{height:3px;vertical-align:middle}
.sw.young{background:var(--young)}.sw.syns{background:var(--syns)}
.sw.limit{height:0;border-top:2px dashed var(--soft);background:none;vertical-align:middle;border-radius:0}
.sw.peak{width:8px;height:8px;border-radius:50%;background:none;border:2px solid var(--ink)}
.sw.band-overflow{background:var(--over);opacity:.3}.sw.band-cookies{background:var(--cook);opacity:.35}
.sw.gap{background:var(--soft);opacity:.25}
/* A figure is as high at any width; its words are as large, and stand beside what is drawn. */
.figure{position:relative}
.drawn,.over{display:block;margin-left:70px;width:calc(100% - 100px);overflow:visible}
.over{position:absolute;left:0;top:0;pointer-events:none}.over circle{pointer-events:auto}
.drawn *{vector-effect:non-scaling-stroke}
svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;fill:var(--soft)}
text.num{text-anchor:end;transform:translateX(-8px);font-variant-numeric:tabular-nums}
text.time{text-anchor:middle;font-variant-numeric:tabular-nums}
.grid{stroke:var(--grid);fill:none}.base{stroke:var(--soft);opacity:.6;fill:none}
.line{fill:none;stroke-width:2;stroke-linejoin:round}
.area{opacity:.18}
path.accept.line,path.accepted{stroke:var(--accept)}path.accept.area{fill:var(--accept)}
path.syn.line,path.established{stroke:var(--syn)}path.syn.area{fill:var(--syn)}
path.young{stroke:var(--young);stroke-width:1.5}path.syns{stroke:var(--syns)}
.limit{stroke:var(--soft);stroke-width:1.5;stroke-dasharray:6 4;fill:none}
.peak{fill:var(--card);stroke:var(--ink);stroke-width:1.6}
rect.band-overflow{fill:var(--over);opacity:.13}rect.band-cookies{fill:var(--cook);opacity:.16}
rect.gap{fill:var(--soft);opacity:.16}
.hit{fill:transparent}.hit:hover{fill:var(--ink);fill-opacity:.06}
.h1,.h2,.h3,.h4,.h5,.h6{fill:var(--heat)}
.h1{fill-opacity:.16}.h2{fill-opacity:.3}.h3{fill-opacity:.45}.h4{fill-opacity:.62}.h5{fill-opacity:.8}
.sw.h1,.sw.h2,.sw.h3,.sw.h4,.sw.h5,.sw.h6{background:var(--heat);border-radius:0;margin-right:0}
.sw.h6{margin-right:6px}.sw.h1{opacity:.16}.sw.h2{opacity:.3}.sw.h3{opacity:.45}.sw.h4{opacity:.62}
.sw.h5{opacity:.8}span:has(>.sw.h1),span:has(>.sw.h2),span:has(>.sw.h3),span:has(>.sw.h4),
span:has(>.sw.h5){margin-right:-16px}
)css"
					  R"css(
.c0{fill:var(--c0)}.c1{fill:var(--c1)}.c2{fill:var(--c2)}.c3{fill:var(--c3)}
.c4{fill:var(--c4)}.c5{fill:var(--c5)}.c6{fill:var(--c6)}.c7{fill:var(--c7)}
.sw.c0{background:var(--c0)}.sw.c1{background:var(--c1)}.sw.c2{background:var(--c2)}
.sw.c3{background:var(--c3)}.sw.c4{background:var(--c4)}.sw.c5{background:var(--c5)}
.sw.c6{background:var(--c6)}.sw.c7{background:var(--c7)}
details{margin-top:14px}
summary{cursor:pointer;color:var(--soft);font-size:13.5px}
details .scroll{max-height:420px;overflow:auto}
details th,details td{padding:3px 7px}
details thead th{position:sticky;top:0;background:var(--card)}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(340px,100%),1fr));gap:0 28px}
.wrong{margin-top:22px}.wrong p.sub{display:inline;margin-right:8px}
.wrong input{position:absolute;opacity:0}
.wrong label{display:inline-block;padding:2px 10px;border-radius:20px;font-size:13px;cursor:pointer}
.wrong input:checked+label{background:var(--chip);font-weight:600}
.wrong input:focus-visible+label{outline:2px solid var(--accept)}
.rows{display:flex;flex-direction:column;font-size:13.5px;font-variant-numeric:tabular-nums}
.r{display:grid;grid-template-columns:11em repeat(3,minmax(6em,1fr)) repeat(3,6em);gap:2px 14px;
padding:8px 0;border-bottom:1px solid var(--rule);order:var(--s0)}
.r.head{color:var(--soft);order:0}.r span{overflow-wrap:anywhere}
.r span:nth-child(n+5):nth-child(-n+7){text-align:right}
.r span:last-child{grid-column:1/-1}.r.head span:last-child{display:none}
.r .problem{color:var(--warn)}.r .f{display:block;margin-top:2px}.r i{font-style:normal;color:var(--soft)}
.r .past{color:var(--soft)}
.r code{display:block;margin:2px 0 2px 16px;overflow-wrap:anywhere;user-select:all}
.r a{color:inherit;font-weight:600}
#sort1:checked~.rows .r{order:var(--s1)}#sort2:checked~.rows .r{order:var(--s2)}
#sort3:checked~.rows .r{order:var(--s3)}#sort4:checked~.rows .r{order:var(--s4)}
.wrong .rows .r.head{order:0}
h2.host{margin:34px 0 0;font-size:22px}
footer{color:var(--soft);font-size:13px}
footer p{margin-bottom:8px}
.listeners th{white-space:normal;vertical-align:bottom}
@media(max-width:1600px){.listeners .bar{display:none}}
@media(min-width:701px) and (max-width:1240px){.listeners .more{display:none}
.listeners th,.listeners td{padding:5px 7px}}
@media(max-width:700px){main{padding:16px 8px 32px}section,.card{padding:14px 12px}
figcaption .note{margin-left:0}
.drawn,.over{margin-left:62px;width:calc(100% - 88px)}
.scroll td.l:last-child{white-space:normal;min-width:9em}text.second{display:none}
.r.head,.listeners thead{display:none}
.r,.listeners tr{display:flex;flex-wrap:wrap;gap:0 16px;padding:8px 0;
border-bottom:1px solid var(--rule)}
.listeners,.listeners tbody{display:block}.listeners td{padding:0;border:0}
.r span[data-name]:last-child,.listeners td:first-child{flex-basis:100%}
.r span[data-name]:nth-child(n+5):not(:last-child)::before,.listeners td:not(:first-child)::before{
content:attr(data-name) " ";color:var(--soft)}
}
@media print{body{background:#fff}section,.card,.tile{break-inside:avoid}}
)css";

} // namespace lqctl
