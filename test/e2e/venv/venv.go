// Package venv finds the virtual environments with the Python programs that tests
// run: moto, the tools that judge policies and scripts, Prefect. The Makefile
// makes them, from the pins of the requirements files.
package venv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Tools is the directory of .venv, or what FLOWBED_TEST_VENV names instead: moto,
// parliament, cloudsplaining, shellcheck.
func Tools() (string, error) {
	return find("FLOWBED_TEST_VENV", ".venv", "bin/python", "make venv")
}

// Prefect is the directory of .venv-prefect, or what FLOWBED_TEST_PREFECT names
// instead: a Prefect server, and its wheels beside it.
func Prefect() (string, error) {
	return find("FLOWBED_TEST_PREFECT", ".venv-prefect", "wheels", "make .venv-prefect/wheels")
}

// Prefect1 is the directory of .venv-prefect1: Python 3.9 and the wheels of
// Prefect 1. It stands beside the one of Prefect.
func Prefect1() (string, error) {
	prefect, err := Prefect()
	if err != nil {
		return "", err
	}
	return check(filepath.Join(filepath.Dir(prefect), ".venv-prefect1"), "ready", "make .venv-prefect1/ready")
}

// find is the directory that a variable names, or the one of that name in the
// module's root.
func find(variable, name, proof, command string) (string, error) {
	if dir := os.Getenv(variable); dir != "" {
		return check(dir, proof, command)
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	return check(filepath.Join(root, name), proof, command)
}

// check says in one line what is missing, and how to get it.
func check(dir, proof, command string) (string, error) {
	if _, err := os.Stat(filepath.Join(dir, proof)); err != nil {
		return "", fmt.Errorf("%s is missing or incomplete: run `%s`", dir, command)
	}
	return dir, nil
}

// moduleRoot is the directory of go.mod above the working directory.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			return dir, nil
		}
		if filepath.Dir(dir) == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}
