import random, socket, threading
from logged import *


def talk(number):
    chance = random.Random(100 + number)
    for turn in range(25):
        it = connect(5000, f"127.0.0.{2 + number}")
        sent = 0
        for _ in range(chance.randrange(1, 9)):
            size = chance.choice([1, 5, 100, 1447, 3000])
            data = bytes([chance.randrange(256)]) * size
            while data:
                taken = it.send(data)
                sent, data = sent + taken, data[taken:]
        it.shutdown(socket.SHUT_WR)
        answer = b""
        while data := it.recv(64):
            answer += data
        assert answer == b"%d\n" % sent, (answer, sent)
        it.close()


threads = [threading.Thread(target=talk, args=(number,)) for number in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
