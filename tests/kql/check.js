// Reads {tables: {name: schema}, queries: [text]} from standard input. Writes for each query what is wrong with it, and the
// operators that it uses: what Microsoft's parser says, and two kinds of mistake that it lets pass.
"use strict";

const { readFileSync } = require("node:fs");
require("@kusto/language-service-next/bridge.min.js");
require("@kusto/language-service-next/Kusto.Language.Bridge.min.js");

const { GlobalState, KustoCode, Symbols, Syntax } = globalThis.Kusto.Language;
const NUMBERS = ["int", "long", "real", "decimal"];
const DATE = /^(\d{4})-(\d\d?)-(\d\d?)(?:[T ](\d\d?):(\d\d)(?::(\d\d)(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?$/;

const kindOf = (node) => globalThis.System.Enum.toString(Syntax.SyntaxKind, node.Kind);
const textOf = (node) => node.toString().trim();
const itemsOf = (list) => Array.from({ length: list.Count }, (_, at) => list.getItem(at));
const elementsOf = (list) => itemsOf(list.Expressions).map((one) => one.Element$1);

function* nodesOf(node) {
  yield node;
  for (let at = 0; at < node.ChildCount; at++) {
    const child = node.GetChild(at);
    if (child) yield* nodesOf(child);
  }
}

function isDate(text) {
  const [found, year, month, day, hour = 0, minute = 0, second = 0] = DATE.exec(text) ?? [];
  const date = new Date(Date.UTC(year, month - 1, day));
  return found !== undefined && date.getUTCMonth() === month - 1 && hour < 24 && minute < 60 && second < 60;
}

// The parser takes any text for a date; the query then compares with null, or fails.
function constantDate(node) {
  const kind = kindOf(node);
  if (kind === "DateTimeLiteralExpression") return textOf(node).replace(/^\w+\(\s*(["']?)(.*?)\1\s*\)$/, "$2");
  if (kind !== "FunctionCallExpression") return undefined;
  const given = elementsOf(node.ArgumentList);
  if (!given.every((one) => /^(Long|Real|(Compound)?String)Literal/.test(kindOf(one)))) return undefined;
  const [first, ...rest] = given.map((one) => one.LiteralValue.toString());
  if (textOf(node.Name) === "todatetime" || (textOf(node.Name) === "make_datetime" && !rest.length)) return first;
  if (textOf(node.Name) !== "make_datetime") return undefined;
  const [month, day, hour = "0", minute = "0", second = "0"] = rest;
  return `${first.padStart(4, "0")}-${month}-${day} ${hour}:${minute.padStart(2, "0")}:${second.replace(/^\d(?!\d)/, "0$&")}`;
}

// The parser knows no types of what is inside dynamic().
const LITERALS = { String: "string", Long: "long", Int: "int", Real: "real", Boolean: "bool", DateTime: "datetime" };

function literalsIn(dynamic) {
  const kinds = [...nodesOf(dynamic)].map((one) => /^(\w+?)LiteralExpression$/.exec(kindOf(one))?.[1]);
  return kinds.filter((kind) => kind in LITERALS).map((kind) => ({ ResultType: { IsScalar: true, Name: LITERALS[kind] } }));
}

const comparable = (left, right) =>
  !left?.IsScalar || !right?.IsScalar || left.Name === right.Name ||
  [left, right].some((type) => ["dynamic", "unknown", "null"].includes(type.Name)) ||
  [left, right].every((type) => NUMBERS.includes(type.Name));

// The parser holds the types of < and =~ against each other, but not those of ==, != and `in`: what they compare then is
// never equal.
function comparedWith(node) {
  const kind = kindOf(node);
  if (kind === "EqualExpression" || kind === "NotEqualExpression") return [node.Right];
  if (!/^(Not)?(In|HasAny|HasAll)(Cs)?Expression$/.test(kind)) return [];
  return elementsOf(node.Right).flatMap((one) => (kindOf(one) === "DynamicExpression" ? literalsIn(one) : [one]));
}

function* mistakesAt(node) {
  const date = constantDate(node);
  if (date !== undefined && date !== "null" && !isDate(date)) yield `${textOf(node)} is no date`;
  for (const other of comparedWith(node))
    if (!comparable(node.Left.ResultType, other.ResultType))
      yield `${textOf(node)} compares ${node.Left.ResultType.Name} with ${other.ResultType.Name}`;
}

function check(text, globals) {
  const code = KustoCode.ParseAndAnalyze(text, globals);
  const said = itemsOf(code.GetDiagnostics()).filter((one) => ["Error", "Warning"].includes(one.Severity));
  const nodes = [...nodesOf(code.Syntax)];
  return {
    wrong: [...said.map((one) => `${one.Code} at ${one.Start}: ${one.Message}`), ...nodes.flatMap((n) => [...mistakesAt(n)])],
    operators: nodes.map(kindOf).filter((kind) => kind.endsWith("Operator")),
  };
}

const { tables, queries } = JSON.parse(readFileSync(0, "utf8"));
const symbols = Object.entries(tables).map(([name, schema]) => new Symbols.TableSymbol.$ctor7(name, `(${schema})`, null));
const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.$ctor1("all", symbols, false));
process.stdout.write(JSON.stringify(queries.map((text) => check(text, globals))));
