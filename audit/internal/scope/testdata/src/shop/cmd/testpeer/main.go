// Command testpeer is somebody to talk to in tests.
package main

func main() {}
