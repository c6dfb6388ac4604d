// What static/js uses of the packages. build.sh bundles it into static/vendor/editor.mjs.
export { defaultKeymap } from "@codemirror/commands";
export { Compartment, EditorSelection, EditorState, RangeSetBuilder, StateEffect } from "@codemirror/state";
export {
  Decoration,
  EditorView,
  RectangleMarker,
  ViewPlugin,
  drawSelection,
  keymap,
  layer,
  placeholder,
} from "@codemirror/view";
export { yCollab, yUndoManagerKeymap } from "y-codemirror.next";
export { PhoenixChannelProvider } from "y-phoenix-channel";
export { Awareness, removeAwarenessStates } from "y-protocols/awareness";
export {
  Doc,
  createAbsolutePositionFromRelativePosition,
  createRelativePositionFromTypeIndex,
} from "yjs";
