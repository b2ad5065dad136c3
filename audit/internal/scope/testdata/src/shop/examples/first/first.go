// Command first shows the shop.
package main

func main() {}
