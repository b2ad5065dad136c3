// Command firebreak-audit finds calls and servers without a timeout.
package main

func main() {}
