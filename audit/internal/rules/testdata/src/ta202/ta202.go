// Package ta202 serves without a server.
package ta202

import (
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/gofiber/fiber/v2"
	"github.com/labstack/echo/v4"
	"github.com/valyala/fasthttp"
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

func startEcho() error {
	e := echo.New()
	return e.Start(":8080") // want "TA202: echo.Echo.Start serves without any limit"
}

func startFiber() error {
	app := fiber.New() // want "TA202: fiber.New serves without any limit"
	return app.Listen(":8080")
}

func startFiberConfig() error {
	app := fiber.New(fiber.Config{AppName: "a"}) // want "TA202: fiber.New serves without any limit"
	return app.Listen(":8080")
}

func startFiberLimited(d time.Duration) error {
	app := fiber.New(fiber.Config{ReadTimeout: d})
	return app.Listen(":8080")
}

func startFast() error {
	server := &fasthttp.Server{Name: "a"} // want "TA202: this fasthttp.Server has no ReadTimeout"
	return server.ListenAndServe(":8080")
}

func startFastLimited() error {
	server := &fasthttp.Server{ReadTimeout: time.Second}
	return server.ListenAndServe(":8080")
}

func startFastFunc() error {
	return fasthttp.ListenAndServe(":8080", nil) // want "TA202: fasthttp.ListenAndServe"
}
