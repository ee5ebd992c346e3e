package sandbox

func (a *Account) save(string) error { return nil }
