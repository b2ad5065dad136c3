// Command shopd serves.
package main

import (
	"net/http"

	"shop"
	"shop/store"
)

func main() {
	store.Open()
	_ = shop.Price()
	_ = http.ListenAndServe(":8080", nil)
}
