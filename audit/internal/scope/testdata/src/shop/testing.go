package shop

// Stub is for tests.
func Stub() {}
