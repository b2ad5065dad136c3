// Command shopctl does one thing and ends.
package main

import (
	"shop"
	"shop/print"
)

func main() {
	for i := 0; ; i++ {
		if i > shop.Price() {
			break
		}
	}
	print.Print()
}
