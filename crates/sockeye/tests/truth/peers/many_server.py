"""Two hundred connections on eight threads: each takes what it gets in pieces of its own choice and answers its end."""
import random, socket, threading
from logged import *

listener = listen(5000)


def serve(number):
    chance = random.Random(number)
    for _ in range(25):
        with TURN:
            it = accept(listener)
        total = 0
        while data := it.recv(chance.choice([1, 7, 64, 500, 4096])):
            total += len(data)
        it.send(b"%d\n" % total)
        it.close()


TURN = threading.Lock()
threads = [threading.Thread(target=serve, args=(number,)) for number in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
