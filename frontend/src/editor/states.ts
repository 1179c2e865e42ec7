/** Which lines of a flow's text hold which state, also while the text is broken: found by indentation. */

export interface StateLines {
  name: string
  /** First and last line, counted from 1. */
  from: number
  to: number
}

interface Line {
  number: number
  indent: number
  text: string
}

/** The states in text order; one within the body of another is named `outer/inner`, as in the machine. */
export function findStates(text: string): StateLines[] {
  const lines = text
    .split('\n')
    .map((raw, index): Line => ({ number: index + 1, indent: raw.length - raw.trimStart().length, text: raw.trim() }))
    .filter((line) => line.text && !line.text.startsWith('#'))
  const start = lines.findIndex((line) => line.indent === 0 && /^states\s*:/.test(line.text))
  return start < 0 ? [] : readStates(lines, start, '')
}

function readStates(lines: readonly Line[], header: number, prefix: string): StateLines[] {
  const outer = lines[header]?.indent ?? 0
  const first = lines[header + 1]
  // A list may stand at the indentation of its key.
  const isList = first?.text.startsWith('- ') ?? false
  if (!first || (isList ? first.indent < outer : first.indent <= outer)) return []
  const end = endOf(lines, header + 1, first.indent, isList)
  const starts = indexesWhere(lines, header + 1, end, (line) => line.indent === first.indent)
  return starts.flatMap((at, index) => {
    const until = starts[index + 1] ?? end
    const block = lines.slice(at, until)
    const name = isList ? nameInList(block) : keyOf(block[0]?.text ?? '')
    if (name === undefined) return []
    const full = prefix + name
    const state = { name: full, from: block[0]?.number ?? 1, to: block.at(-1)?.number ?? 1 }
    const inner = block.findIndex((line, place) => place > 0 && /^(states|body)\s*:$/.test(line.text))
    return inner < 0 ? [state] : [state, ...readStates(block, inner, `${full}/`)]
  })
}

/** The first line after `from` that no longer belongs to a block of this indentation. */
function endOf(lines: readonly Line[], from: number, indent: number, isList: boolean): number {
  const outside = (line: Line) => line.indent < indent || (isList && line.indent === indent && line.text[0] !== '-')
  const found = indexesWhere(lines, from, lines.length, outside)[0]
  return found ?? lines.length
}

function indexesWhere(lines: readonly Line[], from: number, to: number, holds: (line: Line) => boolean): number[] {
  return lines.slice(from, to).flatMap((line, index) => (holds(line) ? [from + index] : []))
}

function keyOf(text: string): string | undefined {
  const found = /^(?:"([^"]+)"|'([^']+)'|([^\s#:][^:]*?))\s*:(?:\s|$)/.exec(text)
  return found?.[1] ?? found?.[2] ?? found?.[3]
}

function nameInList(block: readonly Line[]): string | undefined {
  for (const line of block) {
    const found = /^(?:- )?\s*(?:name|id)\s*:\s*["']?([^"'#]+?)["']?\s*$/.exec(line.text)
    if (found) return found[1]
  }
  return undefined
}

/** The innermost state that a line belongs to. */
export function stateAt(states: readonly StateLines[], line: number): StateLines | undefined {
  return states.findLast((state) => state.from <= line && line <= state.to)
}
