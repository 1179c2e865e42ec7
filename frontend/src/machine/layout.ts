/** Where the states and transitions of a machine are drawn, top to bottom. */
import { Graph as Layered, layout as arrange } from '@dagrejs/dagre'

import type { Graph, GraphEdge, GraphNode } from '@/api/model'

export interface Point {
  x: number
  y: number
}

export interface PlacedNode extends GraphNode {
  /** Upper left corner. */
  x: number
  y: number
  width: number
  height: number
}

export interface PlacedEdge extends GraphEdge {
  id: string
  points: Point[]
  labelAt: Point | null
}

export interface Layout {
  nodes: PlacedNode[]
  edges: PlacedEdge[]
}

const NODE_HEIGHT = 50
const END_HEIGHT = 32

/** Kinds of transitions that go without saying. */
const PLAIN = new Set(['next', 'success'])

export function edgeLabel(edge: GraphEdge): string {
  return PLAIN.has(edge.kind) ? '' : edge.label || edge.kind
}

/** A state that does nothing but end the run, also the one that nobody wrote; it is drawn as a mark. */
export function isEndMark(node: GraphNode): boolean {
  return node.end && node.type === 'end'
}

/** Where a transition goes that leads to no state. */
export function isMissing(node: GraphNode): boolean {
  return node.type === 'unknown'
}

export function layOut(graph: Graph): Layout {
  const layered = new Layered({ multigraph: true })
  layered.setGraph({ rankdir: 'TB', nodesep: 36, ranksep: 46, edgesep: 18, marginx: 8, marginy: 8 })
  for (const node of graph.nodes) {
    const [width, height] = isEndMark(node) ? [Math.min(260, Math.max(76, node.id.length * 7.8 + 32)), END_HEIGHT] : [textWidth(node), NODE_HEIGHT]
    layered.setNode(node.id, { width, height })
  }
  const known = new Set(graph.nodes.map((node) => node.id))
  const edges = graph.edges.filter((edge) => known.has(edge.source) && known.has(edge.target))
  edges.forEach((edge, index) => {
    const label = edgeLabel(edge)
    const size = label ? { width: label.length * 7 + 16, height: 20, labelpos: 'c' } : {}
    layered.setEdge({ v: edge.source, w: edge.target, name: String(index) }, size)
  })
  arrange(layered)
  return {
    nodes: graph.nodes.map((node) => ({ ...node, ...corner(layered.node(node.id)) })),
    edges: edges.map((edge, index) => {
      const { points, x, y } = layered.edge({ v: edge.source, w: edge.target, name: String(index) })
      const labelAt = edgeLabel(edge) && x !== undefined && y !== undefined ? { x, y } : null
      return { ...edge, id: `${index}`, points: points ?? [], labelAt }
    }),
  }
}

function textWidth(node: GraphNode): number {
  // Below the name of a missing state stands that it is missing, in the reader's language.
  const below = isMissing(node) ? 18 : node.type.length
  return Math.min(260, Math.max(132, Math.max(node.id.length, below * 0.9) * 7.8 + 62))
}

function corner(box: { x?: number; y?: number; width: number; height: number }) {
  const { x = 0, y = 0, width, height } = box
  return { x: x - width / 2, y: y - height / 2, width, height }
}

/** An SVG path along the points with its corners rounded. */
export function roundedPath(points: readonly Point[]): string {
  const [first, ...rest] = points
  const last = rest.at(-1)
  if (!first || !last) return ''
  const corners = rest.slice(0, -1)
  const bends = corners.map((corner, index) => {
    const next = corners[index + 1] ?? last
    const middle = index === corners.length - 1 ? next : { x: (corner.x + next.x) / 2, y: (corner.y + next.y) / 2 }
    return `Q${corner.x},${corner.y} ${middle.x},${middle.y}`
  })
  return `M${first.x},${first.y}${bends.length ? bends.join('') : `L${last.x},${last.y}`}`
}
