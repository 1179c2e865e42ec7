/** The code editor's parts: history, search, folding, completion, diagnostics. */
import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
  type CompletionSource,
} from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { yaml } from '@codemirror/lang-yaml'
import { bracketMatching, foldGutter, foldKeymap, indentUnit } from '@codemirror/language'
import { lintGutter, lintKeymap, type Diagnostic } from '@codemirror/lint'
import { highlightSelectionMatches, searchKeymap } from '@codemirror/search'
import { EditorState, type Extension, type Text } from '@codemirror/state'
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
} from '@codemirror/view'

import type { FlowProblem } from '@/api/model'

import { look } from './look'

export function makeExtensions(complete: CompletionSource): Extension[] {
  return [
    lineNumbers(),
    yaml(),
    lintGutter(),
    foldGutter(),
    highlightSelectionMatches(),
    autocompletion({ override: [complete] }),
    history(),
    drawSelection(),
    EditorState.tabSize.of(2),
    indentUnit.of('  '),
    bracketMatching(),
    closeBrackets(),
    highlightActiveLine(),
    highlightActiveLineGutter(),
    EditorView.lineWrapping,
    EditorView.domEventHandlers({ beforeinput: typeOver }),
    // Escape, then Tab leaves the editor: nobody is trapped in it.
    keymap.of([
      ...closeBracketsKeymap,
      ...defaultKeymap,
      ...searchKeymap,
      ...historyKeymap,
      ...foldKeymap,
      ...completionKeymap,
      ...lintKeymap,
      indentWithTab,
    ]),
    look,
  ]
}

/** Typing over a selection, done by the editor: left to the browser, Chromium keeps the look of what was there as an
 * inline style, which the security policy refuses. */
function typeOver(event: InputEvent, view: EditorView): boolean {
  const { main, ranges } = view.state.selection
  const isPlain = event.inputType === 'insertText' && !event.isComposing && event.data && ranges.length === 1
  if (!isPlain || main.empty || view.state.readOnly) return false
  const text = event.data ?? ''
  const insert = () => view.state.update(view.state.replaceSelection(text), { userEvent: 'input.type' })
  const handlers = view.state.facet(EditorView.inputHandler)
  if (!handlers.some((handle) => handle(view, main.from, main.to, text, insert))) view.dispatch(insert())
  event.preventDefault()
  return true
}

/** The platform's problems as the editor's; those without a place stand at the first line. */
export function toDiagnostics(problems: readonly FlowProblem[], text: Text): Diagnostic[] {
  return problems
    .map((problem) => {
      const from = offset(text, problem.line ?? 1, problem.column ?? 1)
      const line = text.lineAt(from)
      const end = problem.end_line && problem.end_column ? offset(text, problem.end_line, problem.end_column) : 0
      const to = end > from ? end : endOfWord(line.text, from - line.from) + line.from
      const message = [problem.message, problem.suggestion].filter(Boolean).join('\n')
      return { from, to, severity: problem.severity, message, source: problem.code }
    })
    .sort((one, other) => one.from - other.from)
}

function offset(text: Text, line: number, column: number): number {
  const found = text.line(Math.min(Math.max(line, 1), text.lines))
  return Math.min(found.from + column - 1, found.to)
}

function endOfWord(line: string, from: number): number {
  const length = /^\S+/.exec(line.slice(from))?.[0].length ?? 1
  return Math.min(from + length, line.length)
}
