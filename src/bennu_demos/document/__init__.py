"""A text that many people write together, with their cursors: CodeMirror and Yjs in the page, pycrdt in the server."""
