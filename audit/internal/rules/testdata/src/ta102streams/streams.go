// Package ta102streams reads bodies at once, and not.
package ta102streams

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
)

func readsAll(where string) ([]byte, error) {
	client := &http.Client{}
	resp, err := client.Get(where)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

func readsJSON(where string) (map[string]any, error) {
	client := &http.Client{}
	resp, err := client.Get(where)
	if err != nil {
		return nil, err
	}
	defer func() {
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}()
	var into map[string]any
	return into, json.NewDecoder(resp.Body).Decode(&into)
}

func readsNothing(where string) (int, error) {
	client := &http.Client{}
	resp, err := client.Get(where)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func streamsToFile(where string) error {
	client := &http.Client{}
	resp, err := client.Get(where)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(os.Stdout, resp.Body)
	return err
}

func streamsToCaller(where string) (io.ReadCloser, error) {
	client := &http.Client{}
	resp, err := client.Get(where)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

func streamsResponse(where string) (*http.Response, error) {
	client := &http.Client{}
	return client.Get(where)
}
