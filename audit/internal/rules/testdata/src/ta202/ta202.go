// Package ta202 serves without a server.
package ta202

import (
	"log"
	"net"
	"net/http"
	"os"

	"github.com/gin-gonic/gin"
)

func serve(addr string) {
	log.Fatal(http.ListenAndServe(addr, nil)) // want "TA202: http.ListenAndServe serves without any limit"
}

func serveTLS() error {
	return http.ListenAndServeTLS(":443", "cert", "key", nil) // want "TA202: http.ListenAndServeTLS"
}

func listener() error {
	l, err := net.Listen("tcp", ":80")
	if err != nil {
		return err
	}
	return http.Serve(l, nil) // want "TA202: http.Serve "
}

func unix() error {
	l, err := net.Listen("unix", os.Getenv("SOCKET"))
	if err != nil {
		return err
	}
	return http.Serve(l, nil)
}

const profile = "127.0.0.1:6060"

func loopback() {
	go http.ListenAndServe("localhost:6060", nil)
	go http.ListenAndServe(profile, nil)
}

func framework() error {
	e := gin.New()
	return e.Run(":8080") // want "TA202: gin.Engine.Run"
}

func frameworkServer() error {
	server := &http.Server{Handler: gin.New(), ReadHeaderTimeout: 1}
	return server.ListenAndServe()
}
