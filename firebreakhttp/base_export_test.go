package firebreakhttp

// NewBase is newBase, for tests that lead its connections elsewhere.
var NewBase = newBase
