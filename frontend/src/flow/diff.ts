/** What changed between two texts, line by line, with three lines around each change. */
import { diffLines } from 'diff'

export interface DiffLine {
  kind: 'added' | 'removed' | 'same' | 'gap'
  text: string
  /** Line number in the new text, in the old one for removed lines. */
  number?: number
  /** Lines left out by a gap. */
  count?: number
}

const AROUND = 3

/** Empty when the texts are the same. */
export function diffLinesShort(before: string, after: string): DiffLine[] {
  const parts = diffLines(before, after)
  if (!parts.some((part) => part.added || part.removed)) return []
  let [oldNumber, newNumber] = [0, 0]
  return parts.flatMap((part, index) => {
    const texts = part.value.replace(/\n$/, '').split('\n')
    const kind = part.added ? 'added' : part.removed ? 'removed' : 'same'
    const lines = texts.map((text): DiffLine => {
      if (kind !== 'added') oldNumber += 1
      if (kind !== 'removed') newNumber += 1
      return { kind, text, number: kind === 'removed' ? oldNumber : newNumber }
    })
    return kind === 'same' ? shorten(lines, index > 0, index < parts.length - 1) : lines
  })
}

function shorten(lines: DiffLine[], changeAbove: boolean, changeBelow: boolean): DiffLine[] {
  const [head, tail] = [changeAbove ? AROUND : 0, changeBelow ? AROUND : 0]
  const count = lines.length - head - tail
  if (count <= 1) return lines
  return [...lines.slice(0, head), { kind: 'gap', text: '', count }, ...lines.slice(lines.length - tail)]
}
